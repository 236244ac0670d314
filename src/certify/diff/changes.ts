/** What changed in a protected set, counted in units of the radius. */
import type { BucketKey } from '../ensemble/buckets.ts'
import type { RecordedSample } from '../files/sample-record.ts'

/**
 * `label`: the same contents under other labels. `content`: the unit is in both sets with other contents, parts or numbers of clips;
 * its labels may differ, too.
 */
export type UnitChange = 'added' | 'removed' | 'label' | 'content'

/** A unit of the radius that is not the same in both sets. */
export interface ChangedUnit {
  /** What makes it one unit: a SHA-256, an id, a source or a period, 0 the newest. */
  readonly unit: string
  /** What became of it. */
  readonly change: UnitChange
  /** Names of its videos, in either set. */
  readonly ids: readonly string[]
  /** Classes of its videos before and after. */
  readonly before: readonly string[]
  /** Classes of its videos after the change. */
  readonly after: readonly string[]
}

/**
 * The units that differ, sorted by their first name.
 *
 * A unit costs 1, however much of it changed: with units by content an edited file is one that was removed and one that was added
 * (`poisonUnit`).
 *
 * @param unitOf what a sample belongs to; null for one that no base classifier reads
 */
export function changedUnits(
  before: readonly RecordedSample[],
  after: readonly RecordedSample[],
  unitOf: (sample: RecordedSample) => string | null,
): readonly ChangedUnit[] {
  const [a, b] = [unitsOf(before, unitOf), unitsOf(after, unitOf)]
  const changed: ChangedUnit[] = []
  for (const unit of new Set([...a.keys(), ...b.keys()])) {
    const [old, now] = [a.get(unit) ?? [], b.get(unit) ?? []]
    const change = changeOf(old, now)
    if (change === null) continue
    const ids = [...new Set([...old, ...now].map(({ id }) => id))].sort()
    changed.push({ unit, change, ids, before: labelsOf(old), after: labelsOf(now) })
  }
  return changed.sort((x, y) => compareTexts(x.ids[0], y.ids[0]) || compareTexts(x.unit, y.unit))
}

/** What makes samples one unit, where units are no periods. */
export function hashedUnit(by: Exclude<BucketKey, 'time'>, { id, sha256, group }: RecordedSample): string {
  if (by === 'content') return sha256
  return by === 'id' ? id : (group ?? '')
}

/** How many units of a set there are. */
export function countUnits(
  samples: readonly RecordedSample[],
  unitOf: (sample: RecordedSample) => string | null,
): number {
  return unitsOf(samples, unitOf).size
}

function unitsOf(
  samples: readonly RecordedSample[],
  unitOf: (sample: RecordedSample) => string | null,
): Map<string, RecordedSample[]> {
  const units = new Map<string, RecordedSample[]>()
  for (const sample of samples) {
    const key = unitOf(sample)
    if (key === null) continue
    const unit = units.get(key)
    if (unit === undefined) units.set(key, [sample])
    else unit.push(sample)
  }
  return units
}

/** Training sees contents, parts and labels of rows, and how many rows there are. It sees no name. */
function changeOf(before: readonly RecordedSample[], after: readonly RecordedSample[]): UnitChange | null {
  if (before.length === 0) return 'added'
  if (after.length === 0) return 'removed'
  const rows = (samples: readonly RecordedSample[], labels: boolean) => {
    const counts = new Map<string, number>()
    for (const { sha256, part = '', label, rows: count } of samples) {
      const key = JSON.stringify([sha256, part, ...(labels ? [label] : [])])
      counts.set(key, (counts.get(key) ?? 0) + count)
    }
    return JSON.stringify([...counts].sort(([a], [b]) => compareTexts(a, b)))
  }
  if (rows(before, true) === rows(after, true)) return null
  return rows(before, false) === rows(after, false) ? 'label' : 'content'
}

function labelsOf(samples: readonly RecordedSample[]): string[] {
  return [...new Set(samples.map(({ label }) => label))].sort()
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
