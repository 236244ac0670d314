import { VideoMaeError } from '../../core/errors.ts'
import type { OperationName } from '../../graph/operations/index.ts'
import type { Program, ProgramNode, Update } from '../../graph/program.ts'
import type { FusedName } from './fuse.ts'
import { type StateSizes, stateSizes } from './state-sizes.ts'
import type { ScheduledOutput, ValueId } from './values.ts'

/** What an engine collects while it goes through a program. */
export interface ProgramLowering {
  readonly program: Program
  /** What messages and profiles call the steps that are made now. */
  label: string
  count(tensor: number): number
  read(tensor: number, type: 'float32'): ValueId
}

/** Puts the steps of one node on the lowering. */
export type OperationLowering<Lowering> = (lowering: Lowering, node: ProgramNode) => void

/** How an engine lowers every operation, and those that `fuseNodes` makes. */
export type OperationLowerings<Lowering> = Readonly<Record<OperationName | FusedName, OperationLowering<Lowering>>>

/** How an engine lowers what a program is made of. */
export interface EngineLowering<Lowering> {
  /** What messages call the engine, e.g. `the native engine`. */
  readonly engine: string
  readonly operations: OperationLowerings<Lowering>
  /** Where an output is after the run: in the value itself, or in a copy of it from before the updates. */
  readonly output: (lowering: Lowering, value: ValueId, count: number) => ValueId
  /** Steps of an update, and the outputs that it reports. */
  readonly update: (lowering: Lowering, update: Update, sizes: StateSizes) => readonly ScheduledOutput[]
}

/**
 * The nodes of a program in their order, then its outputs.
 *
 * @param nodes of the program, fused
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation that the engine does not know, or an output of integers
 */
export function lowerNodes<Lowering extends ProgramLowering>(
  lowering: Lowering,
  nodes: readonly ProgramNode[],
  { engine, operations, output }: EngineLowering<Lowering>,
): ScheduledOutput[] {
  const { program } = lowering
  for (const [i, node] of nodes.entries()) {
    if (!Object.hasOwn(operations, node.operation)) {
      throw new VideoMaeError(`The operation ${node.operation} of ${program.name} is unknown to ${engine}.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    lowering.label = `${program.name}: ${node.operation} #${i}`
    operations[node.operation as OperationName](lowering, node)
  }
  return program.outputs.map(({ name, tensor }) => {
    lowering.label = `${program.name}: output ${name}`
    const { dtype } = program.tensors[tensor]
    if (dtype !== 'float32') {
      throw new VideoMaeError(`The output ${name} of ${program.name} is ${dtype}; outputs are float32.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    const count = lowering.count(tensor)
    return { name, value: output(lowering, lowering.read(tensor, 'float32'), count), count }
  })
}

/** The updates of a program in their order; the outputs that they report. */
export function lowerUpdates<Lowering extends ProgramLowering>(
  lowering: Lowering,
  { update: lower }: EngineLowering<Lowering>,
): ScheduledOutput[] {
  const { program } = lowering
  const sizes = stateSizes(program)
  return program.updates.flatMap((update, i) => {
    lowering.label = `${program.name}: ${update.kind} update #${i}`
    return lower(lowering, update, sizes)
  })
}
