/** Poisoned copies of a training set, with what each costs the attacker. */
import type { RandomStream } from '../core/random.ts'
import type { BucketKey } from './data/buckets.ts'
import type { SampleSet } from './data/feature-set.ts'
import { sha256 } from './data/hash.ts'
import { middleOfPeriod, type Periods, periodOf } from './data/periods.ts'
import type { PoisonedRow } from './learners.ts'

export type PoisonKind = 'insert' | 'delete' | 'edit' | 'flip'
export const poisonKinds: readonly PoisonKind[] = ['insert', 'delete', 'edit', 'flip']

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

/** What one action costs, in units of the radius, for each way of making buckets (docs/certificates.md, "One poison"). */
export function poisonCost(by: BucketKey, kind: PoisonKind): number {
  return by === 'content' && kind === 'edit' ? 2 : 1
}

/**
 * Poisons of random kinds on random units, at most `budget` in all. A unit is a video (all its rows), or a whole source
 * where buckets are made by source: then everything about the source may change at once.
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
  const rowsOf = rowsOfUnits(set, by)
  const units = [...rowsOf.keys()].sort()
  const rows: (PoisonedRow | null)[] = cleanRows(set)
  const inserted: PoisonedRow[] = []
  const done: PoisonKind[] = []
  const touched = new Set<string>()
  const { change, insert } = tampering(set, stream)
  let cost = 0
  for (let attempt = 0; cost < budget && attempt < 50 * budget; attempt++) {
    const kind = kinds[stream.integer(kinds.length)]
    if (cost + poisonCost(by, kind) > budget) continue
    const unit = units[stream.integer(units.length)]
    const mine = rowsOf.get(unit) ?? []
    if (kind === 'insert') {
      inserted.push(insert(attempt, mine))
    } else {
      if (touched.has(unit)) continue
      touched.add(unit)
      for (const row of mine) rows[row] = change(rows[row]!, row, kind)
    }
    cost += poisonCost(by, kind)
    done.push(kind)
  }
  const kept = rows.filter((row) => row !== null)
  return { rows: [...stream.shuffle(kept), ...inserted], kinds: done, cost }
}

/**
 * Poisons of random kinds without limit, all with times in a stretch of periods: three of four videos there, and as many new
 * ones.
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
  const units = [...rowsOfUnits(set, 'id')].filter(([, mine]) => inside(mine[0])).sort(([a], [b]) => (a < b ? -1 : 1))
  const inserted: PoisonedRow[] = []
  const done: PoisonKind[] = []
  for (const [i, [, mine]] of units.entries()) {
    if (kinds.includes('insert')) {
      const time = middleOfPeriod(from + stream.integer(length), periods, count)
      inserted.push({ ...insert(i, mine), time })
      done.push('insert')
    }
    const kind = kinds[stream.integer(kinds.length)]
    if (kind === 'insert') continue
    for (const row of mine) rows[row] = change(rows[row]!, row, kind)
    done.push(kind)
  }
  const kept = rows.filter((row) => row !== null)
  return { rows: [...stream.shuffle(kept), ...inserted], kinds: done, cost: length }
}

/** Some neighbouring periods: `length` of `count`, from number `from` on. */
export interface Stretch {
  readonly periods: Periods
  readonly count: number
  readonly from: number
  readonly length: number
}

/** What an attacker does to single rows. */
function tampering(set: SampleSet, stream: RandomStream) {
  const classes = set.classNames.length
  const noisy = (row: number) => ({ kind: 'noisy', row, size: 0.1 + stream.uniform(), seed: stream.uint32() }) as const
  return {
    change(before: PoisonedRow, row: number, kind: Exclude<PoisonKind, 'insert'>): PoisonedRow | null {
      if (kind === 'delete') return null
      if (kind === 'flip') return { ...before, label: (before.label + 1 + stream.integer(classes - 1)) % classes }
      return { ...before, content: noisy(row), digest: sha256(`edited ${before.digest} ${stream.uint32()}`) }
    },
    /** A new video, made from one of these rows. */
    insert(number: number, from: readonly number[]): PoisonedRow {
      const name = `inserted ${number} ${stream.uint32()}`
      const content = noisy(from[stream.integer(from.length)])
      return { content, label: stream.integer(classes), id: name, digest: sha256(name), group: name }
    },
  }
}

/** Rows of each unit of poison: a video, or a source where buckets are made by source. */
export function rowsOfUnits(set: SampleSet, by: BucketKey): Map<string, number[]> {
  const unitOf = by === 'source' ? (set.groups ?? set.ids) : set.ids
  const rowsOf = new Map<string, number[]>()
  for (let row = 0; row < set.rows; row++) {
    const rows = rowsOf.get(unitOf[row])
    if (rows === undefined) rowsOf.set(unitOf[row], [row])
    else rows.push(row)
  }
  return rowsOf
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
