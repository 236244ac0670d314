import { VideoMaeError } from '../../core/errors.ts'
import type { FloatType } from '../plan/values.ts'
import type { NativeLibrary, NativeMemory } from './library.ts'
import { typed } from './lowering/lowering.ts'
import type { Step, StepArgument, StepSchedule, UpdateTable } from './lowering/schedule.ts'
import { address, type Field, integerBits, piece, realBits, StepTable, type WrittenTable } from './step-table.ts'
import { type BoundUpdate, bindUpdate, type Panels, type UpdateTableContext } from './update-tables.ts'

/** How long a step of a program took. */
export interface StepTime {
  /** Operation, and its index in the program. */
  readonly label: string
  readonly kernel: string
  readonly milliseconds: number
}

/** A call of a kernel, before the table has addresses. */
export interface Call {
  readonly label: string
  readonly kernel: string
  readonly fields: readonly Field[]
  readonly parts: number | null
  readonly commits: boolean
}

/** The piece of a table that is `struct program`. */
const program = 0
/** Fields of `struct program` (kernels/program.h). */
const field = { cancel: 4, refused: 5, stopped: 6 } as const
const outcome = { done: 0, canceled: 1 } as const

/** Calls with addresses: one call into the library runs them all. */
export class BoundProgram {
  readonly name: string
  /** Bytes of working memory that each thread needs. */
  readonly scratchBytes: number
  private readonly library: NativeLibrary
  private readonly calls: readonly Call[]
  private readonly table: WrittenTable
  private readonly times: number

  /** @param table holds what the calls' fields point to; its first piece is reserved for the program itself */
  constructor(library: NativeLibrary, name: string, calls: readonly Call[], table: StepTable, threads: number) {
    this.library = library
    this.name = name
    this.calls = calls
    const lists = calls.map(({ fields }) => table.add(fields))
    const steps = table.add(
      calls.flatMap(({ kernel, parts }, i) => [
        address(library.kernel(kernel).address),
        piece(lists[i]),
        integerBits(parts ?? 0),
      ]),
    )
    this.times = table.add(calls.map(() => integerBits(0)))
    const commit = calls.findIndex(({ commits }) => commits)
    table.fill(program, [
      piece(steps),
      integerBits(calls.length),
      integerBits(commit < 0 ? calls.length : commit),
      piece(this.times),
      ...[0, 0, 0].map(integerBits),
    ])
    this.table = table.write(library, 'the steps of a program')
    this.scratchBytes = this.measureScratch(lists, threads)
  }

  private measureScratch(lists: readonly number[], threads: number): number {
    let most = 0
    for (const [i, { kernel: name, fields, parts }] of this.calls.entries()) {
      const kernel = this.library.kernel(name)
      if (kernel.argumentBytes !== fields.length * 8) {
        throw new VideoMaeError(`The kernel ${name} takes ${kernel.argumentBytes} bytes, not ${fields.length * 8}.`, {
          code: 'PROGRAM_INVALID',
        })
      }
      most = Math.max(most, this.library.scratchBytes(kernel, this.table.bytes(lists[i]), parts ?? threads))
    }
    return Math.ceil(most / 64) * 64
  }

  /**
   * @param scratch `scratchBytes` or more for every thread of the pool
   * @throws VideoMaeError `ENGINE_CANCELED`, `INDEX_RANGE`, with the operation
   */
  async run(pool: bigint, scratch: NativeMemory, scratchBytes: number): Promise<void> {
    this.table.setInteger(program, field.cancel, 0)
    const result = await this.library.run(pool, this.table.address(program), scratch, scratchBytes)
    if (result === outcome.done) return
    const { label } = this.calls[this.table.integer(program, field.stopped)]
    if (result === outcome.canceled) {
      throw new VideoMaeError(`The run was canceled after ${label}. The state is unchanged.`, {
        code: 'ENGINE_CANCELED',
        exit: 'interrupted',
      })
    }
    throw new VideoMaeError(`${label} received an index that is out of range.`, {
      code: 'INDEX_RANGE',
    })
  }

  /** Asks a run under way to end before it changes the state. */
  cancel(): void {
    this.table.setInteger(program, field.cancel, 1)
  }

  /** Times of the last run. */
  stepTimes(): StepTime[] {
    return this.calls.map(({ label, kernel }, i) => ({
      label,
      kernel,
      milliseconds: this.table.integer(this.times, i) / 1e6,
    }))
  }

  get bytes(): number {
    return this.table.memory.bytes
  }

  free(): void {
    this.table.memory.free()
  }
}

/** Steps of a schedule whose values have addresses. */
export function bindSteps(
  library: NativeLibrary,
  { name, steps }: Pick<StepSchedule, 'name' | 'steps'>,
  context: UpdateTableContext,
  precision: FloatType,
  threads: number,
): BoundProgram {
  const builder = new StepTable()
  builder.reserve()
  const updates = new Map<
    UpdateTable,
    { readonly bound: BoundUpdate; readonly rows: number; readonly chunks: number }
  >()
  const bindTable = (table: UpdateTable) => {
    const known = updates.get(table)
    if (known !== undefined) return known
    const bound = bindUpdate(table, context)
    const made = { bound, rows: builder.add(bound.rows), chunks: builder.add(bound.chunks) }
    updates.set(table, made)
    return made
  }
  const bind = (argument: StepArgument): Field => {
    switch (argument.kind) {
      case 'value':
        return address(context.addressOf(argument.value) + BigInt(argument.offset))
      case 'null':
        return address(0n)
      case 'integer':
        return integerBits(argument.number)
      case 'real':
        return realBits(argument.number)
      case 'refused':
        return piece(program, field.refused * 8)
      case 'rows':
        return piece(bindTable(argument.table).rows)
      case 'chunks':
        return piece(bindTable(argument.table).chunks)
      case 'chunkCount':
        return integerBits(bindTable(argument.table).bound.chunkCount)
    }
  }
  const packing = (step: Step): Call[] =>
    step.arguments.flatMap((argument) =>
      argument.kind === 'rows'
        ? bindTable(argument.table).bound.left.map(({ target, panels }) =>
            packCall(step.label, target, panels, precision),
          )
        : [],
    )
  const calls = steps.flatMap((step) => [{ ...step, fields: step.arguments.map(bind) }, ...packing(step)])
  return new BoundProgram(library, name, calls, builder, threads)
}

/** Packs panels of states that were written from outside. */
export function bindCalls(library: NativeLibrary, name: string, calls: readonly Call[], threads: number): BoundProgram {
  const builder = new StepTable()
  builder.reserve()
  return new BoundProgram(library, name, calls, builder, threads)
}

/** Packs panels of a state at once; `target` is where the state begins. */
export function packCall(label: string, target: bigint, panels: Panels, precision: FloatType): Call {
  const { first, count, inner, forward, gradient } = panels
  const pointers = [target + BigInt(first * inner * 4), forward, gradient].map(address)
  const fields = [...pointers, integerBits(count), integerBits(inner)]
  return { label, kernel: typed('linear_pack', precision), fields, parts: null, commits: true }
}
