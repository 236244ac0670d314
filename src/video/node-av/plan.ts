import type { PacketTable } from './packets.ts'

/** Packets `first..last` (positions in decoding order), decoded in one go. */
export interface Run {
  readonly first: number
  readonly last: number
}

export interface StampRun extends Run {
  /** The wanted time stamps inside, ascending. */
  readonly stamps: readonly number[]
}

/**
 * Least decoding for the wanted frames: each run starts at the last key packet that is shown no later than its first wanted frame and ends with
 * the last packet that a wanted frame needs; a new run starts where a later key packet saves decoding what is between.
 *
 * @param wanted ascending time stamps, each that of a shown packet
 */
export function planByTime(table: Pick<PacketTable, 'pts' | 'key' | 'hidden'>, wanted: readonly number[]): StampRun[] {
  const positions = new Map<number, number>()
  const keys: number[] = []
  for (let i = 0; i < table.pts.length; i++) {
    if (table.hidden[i] === 0) positions.set(table.pts[i], i)
    if (table.key[i] === 1) keys.push(i)
  }
  const runs: { first: number; last: number; stamps: number[] }[] = []
  for (const stamp of wanted) {
    const position = positions.get(stamp)!
    const start = keyBefore(table.pts, keys, stamp, position)
    const current = runs[runs.length - 1]
    if (current !== undefined && start <= current.last) {
      current.last = Math.max(current.last, position)
      current.stamps.push(stamp)
    } else {
      runs.push({ first: start, last: position, stamps: [stamp] })
    }
  }
  return runs
}

/** Position of the last key packet at or before `position` whose picture is shown no later than `stamp`; 0 where there is none. */
function keyBefore(pts: Float64Array, keys: readonly number[], stamp: number, position: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle] <= position) low = middle + 1
    else high = middle
  }
  for (let k = low - 1; k >= 0; k--) if (pts[keys[k]] <= stamp) return keys[k]
  return 0
}
