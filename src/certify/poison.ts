/** Poisoned copies of a training set, with what each costs the attacker. */
import type { RandomStream } from '../core/random.ts'
import type { BucketKey } from './data/buckets.ts'
import type { FeatureSet } from './data/feature-set.ts'
import { sha256 } from './data/hash.ts'

export type PoisonKind = 'insert' | 'delete' | 'edit' | 'flip'
export const poisonKinds: readonly PoisonKind[] = ['insert', 'delete', 'edit', 'flip']

export interface Poisoning {
  readonly set: FeatureSet
  readonly kinds: readonly PoisonKind[]
  /** In units of the certified radius. */
  readonly cost: number
}

/** A row to add. */
export interface InsertedRow {
  readonly features: Float32Array
  readonly label: number
  readonly id: string
  readonly digest: string
  readonly group?: string
}

/** The set with these rows appended. */
export function insertRows(set: FeatureSet, rows: readonly InsertedRow[]): FeatureSet {
  const features = new Float32Array((set.rows + rows.length) * set.width)
  features.set(set.features)
  for (const [i, row] of rows.entries()) features.set(row.features, (set.rows + i) * set.width)
  return {
    features,
    rows: set.rows + rows.length,
    width: set.width,
    labels: Int32Array.from([...set.labels, ...rows.map((row) => row.label)]),
    classNames: set.classNames,
    ids: [...set.ids, ...rows.map((row) => row.id)],
    digests: [...set.digests, ...rows.map((row) => row.digest)],
    ...(set.groups === undefined ? {} : { groups: [...set.groups, ...rows.map((row) => row.group ?? row.id)] }),
  }
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
  set: FeatureSet,
  by: BucketKey,
  budget: number,
  stream: RandomStream,
  kinds: readonly PoisonKind[] = poisonKinds,
): Poisoning {
  const unitOf = by === 'source' ? (set.groups ?? set.ids) : set.ids
  const rowsOf = new Map<string, number[]>()
  for (let row = 0; row < set.rows; row++) {
    const rows = rowsOf.get(unitOf[row])
    if (rows === undefined) rowsOf.set(unitOf[row], [row])
    else rows.push(row)
  }
  const units = [...rowsOf.keys()].sort()
  const done: PoisonKind[] = []
  const touched = new Set<string>()
  const deleted = new Set<number>()
  const labels = Int32Array.from(set.labels)
  const digests = [...set.digests]
  const features = Float32Array.from(set.features)
  const inserted: InsertedRow[] = []
  let cost = 0
  const classes = set.classNames.length
  const noisy = (row: number, into: Float32Array) => {
    const size = 0.1 + stream.uniform()
    for (let k = 0; k < set.width; k++) into[k] = set.features[row * set.width + k] + size * stream.normal()
  }
  for (let attempt = 0; cost < budget && attempt < 50 * budget; attempt++) {
    const kind = kinds[stream.integer(kinds.length)]
    if (cost + poisonCost(by, kind) > budget) continue
    const unit = units[stream.integer(units.length)]
    if (kind !== 'insert' && touched.has(unit)) continue
    const rows = rowsOf.get(unit) ?? []
    if (kind === 'insert') {
      const copy = new Float32Array(set.width)
      noisy(rows[stream.integer(rows.length)], copy)
      const name = `inserted ${attempt} ${stream.uint32()}`
      inserted.push({ features: copy, label: stream.integer(classes), id: name, digest: sha256(name), group: name })
    } else {
      touched.add(unit)
      for (const row of rows) {
        if (kind === 'delete') deleted.add(row)
        if (kind === 'flip') labels[row] = (labels[row] + 1 + stream.integer(classes - 1)) % classes
        if (kind === 'edit') {
          noisy(row, features.subarray(row * set.width, (row + 1) * set.width))
          digests[row] = sha256(`edited ${digests[row]} ${stream.uint32()}`)
        }
      }
    }
    cost += poisonCost(by, kind)
    done.push(kind)
  }
  const kept = Array.from({ length: set.rows }, (_, row) => row).filter((row) => !deleted.has(row))
  // A different file order too: it must not matter.
  const order = stream.shuffle(kept)
  const width = set.width
  const shuffled = new Float32Array(order.length * width)
  for (const [to, row] of order.entries()) shuffled.set(features.subarray(row * width, (row + 1) * width), to * width)
  const poisoned: FeatureSet = {
    features: shuffled,
    rows: order.length,
    width,
    labels: Int32Array.from(order, (row) => labels[row]),
    classNames: set.classNames,
    ids: order.map((row) => set.ids[row]),
    digests: order.map((row) => digests[row]),
    ...(set.groups === undefined ? {} : { groups: order.map((row) => set.groups?.[row] ?? '') }),
  }
  return { set: insertRows(poisoned, inserted), kinds: done, cost }
}
