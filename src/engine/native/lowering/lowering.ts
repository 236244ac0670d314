import type { Program, TensorId } from '../../../graph/program.ts'
import { TensorValues } from '../../plan/tensor-values.ts'
import { type CopyForm, elementBytes, type FloatType, type RowRange, type ValueId } from '../../plan/values.ts'
import type { Reduction, Step, StepArgument } from './schedule.ts'

export interface LoweringContext {
  /** Type of activations and of matrix operands. */
  readonly precision: FloatType
  /** Bytes of the panels of a right operand [inner, columns]. */
  readonly panelBytes: (inner: number, columns: number, type: FloatType) => number
  /** Store the program's float inputs and states as activations right away, for tests of kernels. Default false. */
  readonly leavesAsActivations?: boolean
  /** See `Lowering.rowParts`. */
  readonly rowParts?: number
}

/** @param offset bytes into the value */
export const value = (id: ValueId, offset = 0): StepArgument => ({ kind: 'value', value: id, offset })
export const optional = (id: ValueId | null): StepArgument => (id === null ? { kind: 'null' } : value(id))
export const integer = (number: number): StepArgument => ({ kind: 'integer', number })
export const real = (number: number): StepArgument => ({ kind: 'real', number })
export const refused: StepArgument = { kind: 'refused' }

/** Name of a kernel that exists for both types of activations. */
export const typed = (name: string, type: FloatType): string => `${name}_${type === 'float32' ? 'f32' : 'bf16'}`

/**
 * Turns the nodes of a program into calls of kernels. Weights that products read are packed panels: those of states are
 * kept between runs and follow every update, others are packed at each run.
 */
export class Lowering extends TensorValues {
  readonly context: LoweringContext
  readonly steps: Step[] = []
  /** Said of the steps that are added: see `Step.commits`. */
  commits = false
  /** See `Schedule.reduction`. */
  reduction: Reduction | null = null

  constructor(program: Program, context: LoweringContext) {
    super(program, context.precision, 2 ** 40)
    this.context = context
    if (context.leavesAsActivations !== true) return
    for (const { tensor } of [...program.inputs, ...program.state]) {
      if (program.tensors[tensor].dtype === 'float32') this.stored.set(tensor, this.read(tensor, context.precision))
    }
  }

  /**
   * Parts that the rows of a sum are divided into. Default 16, whatever the number of threads: sums have one order. Only
   * scripts/bench/native-bits.ts sets another number, to measure what that costs.
   */
  get rowParts(): number {
    return this.context.rowParts ?? 16
  }

  step(kernel: string, list: readonly StepArgument[], parts: number | null = null): void {
    this.steps.push({ label: this.label, kernel, arguments: list, parts, commits: this.commits })
  }

  protected convert(id: ValueId, type: FloatType): ValueId {
    const { count, label } = this.values[id]
    const to = this.temporary(count, type, label)
    const kernel = type === 'bfloat16' ? 'convert_to_bf16' : 'convert_to_f32'
    this.step(kernel, [value(to), value(id), integer(count)])
    return to
  }

  /** Sums of doubles and the like: memory of so many bytes. */
  memory(bytes: number): ValueId {
    return this.add({ kind: 'arena' }, 'uint8', bytes, this.label)
  }

  /** Says that a tensor is within another, `elements` behind its beginning. */
  view(tensor: TensorId, of: TensorId, elements: number): void {
    const id = this.raw(of)
    const { type, label } = this.values[id]
    const home = { kind: 'view', of: id, offset: elements * elementBytes[type] } as const
    this.stored.set(tensor, this.add(home, type, this.count(tensor), label))
  }

  /**
   * A weight w [outer, inner] as products read it.
   *
   * @param form `panels` for x w^T, `transposedPanels` for dy w in bfloat16
   */
  panels(w: TensorId, form: Exclude<CopyForm, 'elements'>): ValueId {
    const id = this.read(w, 'float32')
    return this.once(`${id} ${form}`, () => {
      const [outer, inner] = this.shape(w)
      const type = this.precision
      const [rows, columns] = form === 'panels' ? [inner, outer] : [outer, inner]
      const bytes = this.context.panelBytes(rows, columns, type)
      const count = outer * inner
      const found = this.stateRows(id, inner, outer)
      const { label } = this.values[id]
      if (found !== null) {
        const home = { kind: 'copy', state: found.state, form, rows: found.rows } as const
        return this.add(home, type, count, `${label} (panels)`, bytes)
      }
      const to = this.add({ kind: 'arena' }, type, count, `${label} (panels)`, bytes)
      const targets = form === 'panels' ? [value(to), optional(null)] : [optional(null), value(to)]
      this.step(typed('linear_pack', type), [value(id), ...targets, integer(outer), integer(inner)])
      return to
    })
  }

  /** The rows of a state that a value is, where it is some. */
  private stateRows(id: ValueId, inner: number, outer: number): { state: string; rows: RowRange } | null {
    let offset = 0
    for (let at = id; ; ) {
      const { home } = this.values[at]
      if (home.kind === 'state') {
        const first = offset / (4 * inner)
        return Number.isInteger(first) ? { state: home.name, rows: { first, count: outer } } : null
      }
      if (home.kind !== 'view') return null
      offset += home.offset
      at = home.of
    }
  }
}
