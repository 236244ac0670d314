import type { ElementType, KernelSource, ProductShape } from '../device.ts'

/** A piece of device memory that steps read and write; known by its position in `Schedule.values`. */
export type ValueId = number

/** Where a value lives. Only `arena` values are placed by the memory plan; they live from first to last use. */
export type ValueHome =
  | { readonly kind: 'arena' }
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'state'; readonly name: string }
  /** The bfloat16 working copy of a state, kept up to date by the updates. */
  | { readonly kind: 'copy'; readonly state: string }
  /** Values that never change, uploaded when the program is opened. */
  | { readonly kind: 'constant'; readonly data: Uint8Array }

export interface Value {
  readonly home: ValueHome
  readonly type: ElementType
  readonly count: number
  readonly bytes: number
  /** For messages: what it is. */
  readonly label: string
}

export type StepArgument =
  /** `offset` in bytes. */
  | { readonly kind: 'value'; readonly value: ValueId; readonly offset: number }
  | { readonly kind: 'null' }
  | { readonly kind: 'u32'; readonly number: number }
  | { readonly kind: 'f32'; readonly number: number }

export interface LaunchStep {
  readonly kind: 'launch'
  /** The operation it belongs to and its place in the program, for errors and profiles. */
  readonly label: string
  readonly kernel: KernelSource
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number]
  readonly shared: number
  readonly arguments: readonly StepArgument[]
  /** Values reached through tables rather than as arguments. */
  readonly touches: readonly ValueId[]
}

export interface ProductStep {
  readonly kind: 'product'
  readonly label: string
  readonly shape: ProductShape
  readonly a: ValueId
  readonly b: ValueId
  readonly d: ValueId
  readonly addend: ValueId | null
  readonly bias: ValueId | null
  readonly auxiliary: ValueId | null
}

export interface CopyStep {
  readonly kind: 'copy'
  readonly label: string
  readonly from: ValueId
  readonly to: ValueId
  readonly bytes: number
}

/** A launch over a table of tensors (see updates.ts); the table is built once addresses are known. */
export interface TableStep {
  readonly kind: 'table'
  readonly label: string
  readonly entry: 'gradientSquares' | 'adamw' | 'accumulate' | 'average' | 'zero'
  readonly rows: readonly TableRow[]
  /** Arguments behind the two tables (behind the output for gradientSquares, which comes first). */
  readonly before: readonly StepArgument[]
  readonly arguments: readonly StepArgument[]
}

export interface TableRow {
  readonly target: ValueId
  readonly source: ValueId | null
  readonly first: ValueId | null
  readonly second: ValueId | null
  readonly count: number
  readonly decayScale: number
  readonly learningRateScale: number
  /** State whose working copy, where there is one, follows the target. */
  readonly state: string
}

export type Step = LaunchStep | ProductStep | CopyStep | TableStep

export interface ScheduledOutput {
  readonly name: string
  readonly value: ValueId
  readonly count: number
}

/** A program in the terms of the device, before addresses. */
export interface Schedule {
  readonly name: string
  readonly values: readonly Value[]
  readonly steps: readonly Step[]
  /** float32 values to read after a run. */
  readonly outputs: readonly ScheduledOutput[]
}

/** Every value a step reads or writes. */
export function stepValues(step: Step): ValueId[] {
  const fromArguments = (list: readonly StepArgument[]): ValueId[] =>
    list.flatMap((argument) => (argument.kind === 'value' ? [argument.value] : []))
  switch (step.kind) {
    case 'launch':
      return [...fromArguments(step.arguments), ...step.touches]
    case 'product':
      return [step.a, step.b, step.d, step.addend, step.bias, step.auxiliary].filter((value) => value !== null)
    case 'copy':
      return [step.from, step.to]
    case 'table':
      return [
        ...fromArguments(step.before),
        ...fromArguments(step.arguments),
        ...step.rows.flatMap(({ target, source, first, second }) =>
          [target, source, first, second].filter((value) => value !== null),
        ),
      ]
  }
}
