import type { UpdateRow } from '../../plan/update-rows.ts'
import type { ScheduleOf, ValueId } from '../../plan/values.ts'

/** A field of a kernel's argument struct; each has 8 bytes (kernels/kernel.h). */
export type StepArgument =
  /** An address, `offset` bytes into the value. */
  | { readonly kind: 'value'; readonly value: ValueId; readonly offset: number }
  | { readonly kind: 'null' }
  | { readonly kind: 'integer'; readonly number: number }
  | { readonly kind: 'real'; readonly number: number }
  /** Where kernels say that an index points outside of what it indexes. */
  | { readonly kind: 'refused' }
  /** Table of `struct update_row`. */
  | { readonly kind: 'rows'; readonly table: UpdateTable }
  /** Table of `struct update_chunk`, and its length. */
  | { readonly kind: 'chunks'; readonly table: UpdateTable }
  | { readonly kind: 'chunkCount'; readonly table: UpdateTable }

/** States that one update changes; its rows and chunks are made when it is known which states have panels. */
export interface UpdateTable {
  readonly rows: readonly UpdateRow[]
  /** Whether the update changes its targets, so that their panels have to follow. */
  readonly writes: boolean
}

export interface Step {
  /** The operation it belongs to and its index in the program, for errors and profiles. */
  readonly label: string
  readonly kernel: string
  readonly arguments: readonly StepArgument[]
  /** Parts that the work is divided into; null: as many as there are threads. */
  readonly parts: number | null
  /** Whether the step changes the state: a run that has come here is not canceled any more. */
  readonly commits: boolean
}

export interface StepSchedule extends ScheduleOf<Step> {
  /** Gradients that updates read, in the order in which the program finishes them. */
  readonly gradients: readonly ValueId[]
  /** What is summed over the ranks of a distributed run, and how many steps come before that; null: nothing. */
  readonly reduction: Reduction | null
}

export interface Reduction {
  readonly values: readonly ValueId[]
  readonly stepsBefore: number
}

/** Every value that a step reads or writes. */
export function stepValues({ arguments: list }: Step): ValueId[] {
  return list.flatMap((argument) => {
    if (argument.kind === 'value') return [argument.value]
    if (argument.kind !== 'rows') return []
    return argument.table.rows.flatMap(({ target, source, first, second }) =>
      [target, source, first, second].filter((value) => value !== null),
    )
  })
}
