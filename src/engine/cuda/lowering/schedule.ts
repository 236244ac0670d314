import type { UpdateRow } from '../../plan/update-rows.ts'
import type { ScheduleOf, ValueId } from '../../plan/values.ts'
import type { KernelSource, MatmulShape } from '../device.ts'

export type StepArgument =
  /** `offset` in bytes. */
  | { readonly kind: 'value'; readonly value: ValueId; readonly offset: number }
  | { readonly kind: 'null' }
  | { readonly kind: 'u32'; readonly number: number }
  | { readonly kind: 'f32'; readonly number: number }

export interface LaunchStep {
  readonly kind: 'launch'
  /** The operation it belongs to and its index in the program, for errors and profiles. */
  readonly label: string
  readonly kernel: KernelSource
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number]
  readonly shared: number
  readonly arguments: readonly StepArgument[]
  /** Values reached through tables rather than as arguments. */
  readonly touches: readonly ValueId[]
}

export interface MatmulStep {
  readonly kind: 'matmul'
  readonly label: string
  readonly shape: MatmulShape
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
  readonly rows: readonly UpdateRow[]
  /** Arguments behind the two tables (behind the output for gradientSquares, which comes first). */
  readonly before: readonly StepArgument[]
  readonly arguments: readonly StepArgument[]
}

/** Sums values over the ranks, in place, next to the steps that follow, up to the next `join`. */
export interface SumStep {
  readonly kind: 'sum'
  readonly label: string
  /** float32; `count` of each. */
  readonly pieces: readonly { readonly value: ValueId; readonly count: number }[]
}

/** Waits for all sums before it. */
export interface JoinStep {
  readonly kind: 'join'
  readonly label: string
}

export type Step = SumStep | JoinStep | LaunchStep | MatmulStep | CopyStep | TableStep

/** A program in the terms of the device. */
export type StepSchedule = ScheduleOf<Step>

/** Every value a step reads or writes. */
export function stepValues(step: Step): ValueId[] {
  const fromArguments = (list: readonly StepArgument[]): ValueId[] =>
    list.flatMap((argument) => (argument.kind === 'value' ? [argument.value] : []))
  switch (step.kind) {
    case 'launch':
      return [...fromArguments(step.arguments), ...step.touches]
    case 'matmul':
      return [step.a, step.b, step.d, step.addend, step.bias, step.auxiliary].filter((value) => value !== null)
    case 'copy':
      return [step.from, step.to]
    case 'sum':
      return step.pieces.map(({ value }) => value)
    case 'join':
      return []
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
