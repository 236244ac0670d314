import type { ScheduleOf, ValueId } from './values.ts'

/** First and last step that touch a value, both inclusive. */
export interface Lifetime {
  readonly value: ValueId
  readonly first: number
  readonly last: number
  readonly bytes: number
}

export interface MemoryPlan {
  /** Bytes of the arena that all placed values share. */
  readonly bytes: number
  readonly offsets: ReadonlyMap<ValueId, number>
  /** Bytes if nothing were shared, for reports. */
  readonly unsharedBytes: number
}

export const alignment = 256

export const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/**
 * Lifetimes of a schedule's arena values; outputs live to the end of the run.
 *
 * @param valuesOf every value that a step reads or writes
 */
export function lifetimes<Step>(schedule: ScheduleOf<Step>, valuesOf: (step: Step) => readonly ValueId[]): Lifetime[] {
  const first = new Map<ValueId, number>()
  const last = new Map<ValueId, number>()
  const whole = (value: ValueId): ValueId => {
    const { home } = schedule.values[value]
    return home.kind === 'view' ? whole(home.of) : value
  }
  for (const [index, step] of schedule.steps.entries()) {
    for (const value of valuesOf(step).map(whole)) {
      if (!first.has(value)) first.set(value, index)
      last.set(value, index)
    }
  }
  for (const { value } of schedule.outputs) last.set(whole(value), schedule.steps.length)
  return schedule.values.flatMap(({ home, bytes }, value) => {
    const from = first.get(value)
    if (home.kind !== 'arena' || from === undefined) return []
    return [{ value, first: from, last: last.get(value) ?? from, bytes }]
  })
}

/**
 * Places values so that no two that live at the same time overlap: largest first, each at the lowest offset that is
 * free for its whole life. Not optimal (that is NP-hard), but within a few per cent of the most that live at once.
 *
 * @param together values that come first and are one behind the other, in this order
 */
export function planMemory(lives: readonly Lifetime[], together: readonly Lifetime[] = []): MemoryPlan {
  const placed: { readonly life: Lifetime; readonly offset: number; readonly end: number }[] = []
  const offsets = new Map<ValueId, number>()
  let bytes = 0
  for (const life of together) {
    const end = bytes + align(Math.max(1, life.bytes))
    placed.push({ life, offset: bytes, end })
    offsets.set(life.value, bytes)
    bytes = end
  }
  let unsharedBytes = bytes
  const bySize = [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first || a.value - b.value)
  for (const life of bySize) {
    const size = align(Math.max(1, life.bytes))
    unsharedBytes += size
    let offset = 0
    // `placed` is kept in the order of offsets: the first gap that is wide enough wins.
    for (const other of placed) {
      if (other.life.last < life.first || life.last < other.life.first) continue
      if (offset + size <= other.offset) break
      offset = Math.max(offset, other.end)
    }
    const at = placed.findIndex((other) => other.offset > offset)
    placed.splice(at < 0 ? placed.length : at, 0, { life, offset, end: offset + size })
    offsets.set(life.value, offset)
    bytes = Math.max(bytes, offset + size)
  }
  return { bytes, offsets, unsharedBytes }
}
