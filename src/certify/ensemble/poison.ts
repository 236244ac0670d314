/** Poisoned copies of a training set, with what each costs the attacker. */
import type { RandomStream } from '../../core/random.ts'
import type { BucketKey } from './buckets.ts'
import type { SampleSet } from './feature-set.ts'
import { sha256 } from './hash.ts'
import type { PoisonedRow } from './learners.ts'
import { middleOfPeriod, type Periods, periodOf } from './periods.ts'

export type PoisonKind = 'insert' | 'delete' | 'edit' | 'flip'
const poisonKinds: readonly PoisonKind[] = ['insert', 'delete', 'edit', 'flip']

export interface Poisoning {
  /** The poisoned set, in another order too: it must not matter. */
  readonly rows: readonly PoisonedRow[]
  readonly kinds: readonly PoisonKind[]
  /** In units of the certified radius. */
  readonly cost: number
}

/** The rows of a set as they are. */
export function cleanRows(set: SampleSet): PoisonedRow[] {
  return Array.from({ length: set.rows }, (_, row) => ({
    content: { kind: 'row', row },
    label: set.labels[row],
    id: set.ids[row],
    digest: set.digests[row],
    ...(set.groups === undefined ? {} : { group: set.groups[row] }),
    ...(set.times === undefined ? {} : { time: set.times[row] }),
  }))
}

/** What one action costs, in units of the radius, for each way of making buckets (docs/certificates.md, "One poisoned sample"). */
function poisonCost(by: BucketKey, kind: PoisonKind): number {
  return by === 'content' && kind === 'edit' ? 2 : 1
}

/**
 * Poisoned samples of random kinds on random units, at most `budget` in all. A unit is what `rowsOfUnits` says: where buckets are
 * made by source, everything about the source may change at once.
 *
 * @param kinds default: all four
 */
export function poisonAtRandom(
  set: SampleSet,
  by: BucketKey,
  budget: number,
  stream: RandomStream,
  kinds: readonly PoisonKind[] = poisonKinds,
): Poisoning {
  const units = rowsOfUnits(set, by)
  const rows: (PoisonedRow | null)[] = cleanRows(set)
  const inserted: PoisonedRow[] = []
  const done: PoisonKind[] = []
  const touched = new Set<number>()
  const { change, insert } = tampering(set, stream)
  let cost = 0
  for (let attempt = 0; cost < budget && attempt < 50 * budget; attempt++) {
    const kind = kinds[stream.integer(kinds.length)]
    if (cost + poisonCost(by, kind) > budget) continue
    const unit = stream.integer(units.length)
    if (kind === 'insert') {
      inserted.push(insert(attempt, units[unit]))
    } else {
      if (touched.has(unit)) continue
      touched.add(unit)
      change(rows, units[unit], kind)
    }
    cost += poisonCost(by, kind)
    done.push(kind)
  }
  const kept = rows.filter((row) => row !== null)
  return { rows: [...stream.shuffle(kept), ...inserted], kinds: done, cost }
}

/**
 * Poisoned samples of random kinds without limit, all with times in a stretch of periods: three of four videos there, and as many
 * new ones.
 *
 * @param kinds default: all four
 */
export function poisonPeriods(
  set: SampleSet,
  { periods, count, from, length }: Stretch,
  stream: RandomStream,
  kinds: readonly PoisonKind[] = poisonKinds,
): Poisoning {
  const rows: (PoisonedRow | null)[] = cleanRows(set)
  const { change, insert } = tampering(set, stream)
  const inside = (row: number) => {
    const period = periodOf(set.times?.[row] ?? Number.NaN, periods, count)
    return period >= from && period < from + length
  }
  const units = rowsOfUnits(set, 'id').filter(([row]) => inside(row))
  const inserted: PoisonedRow[] = []
  const done: PoisonKind[] = []
  for (const [i, mine] of units.entries()) {
    if (kinds.includes('insert')) {
      const time = middleOfPeriod(from + stream.integer(length), periods, count)
      inserted.push({ ...insert(i, mine), time })
      done.push('insert')
    }
    const kind = kinds[stream.integer(kinds.length)]
    if (kind === 'insert') continue
    change(rows, mine, kind)
    done.push(kind)
  }
  const kept = rows.filter((row) => row !== null)
  return { rows: [...stream.shuffle(kept), ...inserted], kinds: done, cost: length }
}

/** Some neighboring periods: `length` of `count`, from number `from` on. */
export interface Stretch {
  readonly periods: Periods
  readonly count: number
  readonly from: number
  readonly length: number
}

/** What an attacker does to a unit. */
function tampering(set: SampleSet, stream: RandomStream) {
  const classes = set.classNames.length
  const noisy = (row: number) => ({ kind: 'noisy', row, size: 0.1 + stream.uniform(), seed: stream.uint32() }) as const
  return {
    /** Changes `mine`, the numbers of some `rows`, in place; null for what is deleted. */
    change(rows: (PoisonedRow | null)[], mine: readonly number[], kind: Exclude<PoisonKind, 'insert'>): void {
      const contents = kind === 'edit' ? mine.map(noisy) : []
      const mark = kind === 'edit' ? stream.uint32() : 0
      for (const [i, row] of mine.entries()) {
        const before = rows[row]!
        if (kind === 'delete') rows[row] = null
        else if (kind === 'flip')
          rows[row] = { ...before, label: (before.label + 1 + stream.integer(classes - 1)) % classes }
        // Rows that shared a digest are those of one file, and still do.
        else rows[row] = { ...before, content: contents[i], digest: sha256(`edited ${before.digest} ${mark}`) }
      }
    },
    /** A new video, made from one of these rows; every second one takes its name, too. */
    insert(number: number, from: readonly number[]): PoisonedRow {
      const drawn = stream.uint32()
      const name = `inserted ${number} ${drawn}`
      const row = from[stream.integer(from.length)]
      const id = drawn % 2 === 0 ? name : set.ids[row]
      return { content: noisy(row), label: stream.integer(classes), id, digest: sha256(name), group: name }
    },
  }
}

/**
 * Rows of each unit of poison, which are those that share what decides the bucket: a content under whatever names, an id, or a
 * source. Sorted by name, which of a content is its first.
 */
export function rowsOfUnits(set: SampleSet, by: BucketKey): readonly (readonly number[])[] {
  const names = by === 'source' ? (set.groups ?? set.ids) : set.ids
  const keys = by === 'content' ? set.digests : names
  const units = new Map<string, { name: string; readonly key: string; readonly rows: number[] }>()
  for (let row = 0; row < set.rows; row++) {
    const [name, key] = [names[row], keys[row]]
    const unit = units.get(key)
    if (unit === undefined) units.set(key, { name, key, rows: [row] })
    else {
      unit.rows.push(row)
      if (name < unit.name) unit.name = name
    }
  }
  return [...units.values()]
    .sort((a, b) => (a.name === b.name ? (a.key < b.key ? -1 : 1) : a.name < b.name ? -1 : 1))
    .map(({ rows }) => rows)
}

/** Who poisoned rows of a set are; their content is up to the family of learners. */
export function samplesOf(rows: readonly PoisonedRow[], { classNames, groups, times }: SampleSet): SampleSet {
  return {
    rows: rows.length,
    labels: Int32Array.from(rows, (row) => row.label),
    classNames,
    ids: rows.map((row) => row.id),
    digests: rows.map((row) => row.digest),
    ...(groups === undefined ? {} : { groups: rows.map((row) => row.group ?? row.id) }),
    // A row without a time is in no period: it changes nothing.
    ...(times === undefined ? {} : { times: rows.map((row) => row.time ?? Number.POSITIVE_INFINITY) }),
  }
}
