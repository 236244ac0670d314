import type { UpdateRow } from '../plan/update-rows.ts'
import type { ValueId } from '../plan/values.ts'
import type { UpdateTable } from './lowering/schedule.ts'
import { chunkElements } from './lowering/updates.ts'
import { address, type Field, integerBits, realBits } from './step-table.ts'

/** Panels of the same rows of a state, in both forms; 0n: no program reads that form. */
export interface Panels {
  readonly first: number
  readonly count: number
  /** Columns of the state. */
  readonly inner: number
  readonly forward: bigint
  readonly gradient: bigint
}

/** What the tables need to know of the session. */
export interface UpdateTableContext {
  readonly addressOf: (value: ValueId) => bigint
  readonly panelsOf: (state: string) => readonly Panels[]
  readonly panelColumns: number
}

export interface BoundUpdate {
  /** `struct update_row` and `struct update_chunk`, one behind the other. */
  readonly rows: readonly Field[]
  readonly chunks: readonly Field[]
  readonly chunkCount: number
  /** Panels that the update does not write, because they overlap with others that it does. */
  readonly left: readonly { readonly target: bigint; readonly panels: Panels }[]
}

interface Segment {
  /** Elements from the beginning of the state. */
  readonly start: number
  readonly count: number
  readonly panels: Panels | null
}

export function bindUpdate({ rows, writes }: UpdateTable, context: UpdateTableContext): BoundUpdate {
  const bound: Field[] = []
  const chunks: Field[] = []
  const left: { target: bigint; panels: Panels }[] = []
  let number = 0
  for (const row of rows) {
    const panels = writes ? context.panelsOf(row.state) : []
    const chosen = disjoint(panels)
    const target = context.addressOf(row.target)
    left.push(...panels.filter((one) => !chosen.includes(one)).map((one) => ({ target, panels: one })))
    for (const segment of segments(row.count, chosen)) {
      bound.push(...rowFields(row, segment, context))
      const step = chunkStep(segment, context.panelColumns)
      for (let first = 0; first < segment.count; first += step) {
        chunks.push(integerBits(number), integerBits(first), integerBits(Math.min(segment.count, first + step)))
      }
      number++
    }
  }
  return { rows: bound, chunks, chunkCount: chunks.length / 3, left }
}

/** As many as do not overlap, the larger ones first. */
function disjoint(panels: readonly Panels[]): Panels[] {
  const chosen: Panels[] = []
  for (const one of [...panels].sort((a, b) => b.count - a.count)) {
    const overlaps = chosen.some(
      (other) => one.first < other.first + other.count && other.first < one.first + one.count,
    )
    if (!overlaps) chosen.push(one)
  }
  return chosen.sort((a, b) => a.first - b.first)
}

/** The state in pieces: those with panels, and what is between. */
function segments(count: number, panels: readonly Panels[]): Segment[] {
  const found: Segment[] = []
  let at = 0
  for (const one of panels) {
    const start = one.first * one.inner
    if (start > at) found.push({ start: at, count: start - at, panels: null })
    found.push({ start, count: one.count * one.inner, panels: one })
    at = start + one.count * one.inner
  }
  if (at < count) found.push({ start: at, count: count - at, panels: null })
  return found
}

function rowFields(row: UpdateRow, { start, count, panels }: Segment, { addressOf }: UpdateTableContext): Field[] {
  const pointer = (value: ValueId | null): Field => address(value === null ? 0n : addressOf(value) + BigInt(start * 4))
  return [
    ...[row.target, row.source, row.first, row.second].map(pointer),
    ...[panels?.forward ?? 0n, panels?.gradient ?? 0n].map(address),
    ...(panels === null ? [1, count] : [panels.count, panels.inner]).map(integerBits),
    ...[row.decayScale, row.learningRateScale].map(realBits),
  ]
}

/** Elements that one thread takes at a time: whole panels where there are some. */
function chunkStep({ panels }: Segment, panelColumns: number): number {
  if (panels === null) return chunkElements
  const rows = Math.floor(chunkElements / panels.inner / panelColumns) * panelColumns
  return Math.max(panelColumns, rows) * panels.inner
}
