/** Pieces of memory that the steps of a lowered program read and write, before they have addresses. */
export type ElementType = 'float32' | 'bfloat16' | 'int32' | 'uint8'

/** Storage types of float tensors. */
export type FloatType = 'float32' | 'bfloat16'

export const elementBytes: Readonly<Record<ElementType, number>> = { float32: 4, bfloat16: 2, int32: 4, uint8: 1 }

/** A value is known by its position in the list of a schedule. */
export type ValueId = number

/** Where a value lives. Only `arena` values are placed by the memory plan; they live from first to last use. */
export type ValueHome =
  | { readonly kind: 'arena' }
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'state'; readonly name: string }
  /** A part of another value, `offset` bytes into it. */
  | { readonly kind: 'view'; readonly of: ValueId; readonly offset: number }
  /** A working copy of a state, or of some of its rows, in the form that products read; updates keep it up to date. */
  | { readonly kind: 'copy'; readonly state: string; readonly form: CopyForm; readonly rows: RowRange | null }
  /** Values that never change, put in place when the program is opened. */
  | { readonly kind: 'constant'; readonly data: Uint8Array }

/**
 * `elements`: the values in the type of activations, in their own order. `panels` and `transposedPanels`: packed for the
 * products of the native engine, as the right operand of `x w^T` and of `dy w` (bfloat16 only).
 */
export type CopyForm = 'elements' | 'panels' | 'transposedPanels'

/** Rows of a state of two axes. */
export interface RowRange {
  readonly first: number
  readonly count: number
}

export interface Value {
  readonly home: ValueHome
  readonly type: ElementType
  readonly count: number
  readonly bytes: number
  /** For messages: what it is. */
  readonly label: string
}

/** A float32 value to read after a run. */
export interface ScheduledOutput {
  readonly name: string
  readonly value: ValueId
  readonly count: number
}

/** A program in the terms of an engine, before addresses. */
export interface ScheduleOf<Step> {
  readonly name: string
  readonly values: readonly Value[]
  readonly steps: readonly Step[]
  readonly outputs: readonly ScheduledOutput[]
}
