import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../../../src/index.ts'
import { RandomStream } from '../../../src/model.ts'
import type { Format } from './format.ts'

export interface FuzzOptions {
  readonly folder: string
  readonly cases: number
  readonly seed: number
  /** First case; to repeat one. */
  readonly from?: number
  /** Called before each case: whoever watches knows which one hangs. */
  readonly onCase?: (format: string, index: number) => void
}

export interface FuzzOutcome {
  readonly format: string
  readonly cases: number
  /** Cases that were read all the same. */
  readonly read: number
  /** How often each error code came. */
  readonly codes: Readonly<Record<string, number>>
  /** Growth of the process above what it had before, in MiB, at its most. */
  readonly peakMiB: number
}

/** Growth that a file of a few kilobytes may cause: 512 MiB. */
const mostMiB = 512

const resident = (): number => process.memoryUsage.rss() / 2 ** 20

/** Blames a file or the usage, and not an argument of a function: whoever has the file would not know which field to mend. */
function blamesTheFile(error: unknown): error is VideoMaeError {
  if (!(error instanceof VideoMaeError) || error.code === 'INVALID_ARGUMENT') return false
  return error.exit === 'data' || error.exit === 'usage'
}

/**
 * Reads changed files one after the other. Each has to be read or to end with an error of this program that blames the file
 * or the usage.
 *
 * @throws Error naming format, seed and case of the first that does neither
 */
export async function fuzz(
  format: Format,
  { folder, cases, seed, from = 0, onCase }: FuzzOptions,
): Promise<FuzzOutcome> {
  const location = path.join(folder, format.name.replaceAll(/\W+/g, '-'))
  mkdirSync(location, { recursive: true })
  await format.prepare(location)
  await format.read(location) // The sample itself is whole.
  const codes: Record<string, number> = {}
  const before = resident()
  let [read, peak] = [0, 0]
  for (let index = from; index < from + cases; index++) {
    onCase?.(format.name, index)
    await format.change(location, new RandomStream(seed, format.name, index))
    try {
      await format.read(location)
      read++
    } catch (error) {
      if (!blamesTheFile(error)) {
        throw new Error(`${format.name}, seed ${seed}, case ${index}: ${(error as Error).stack ?? error}`, {
          cause: error,
        })
      }
      codes[error.code] = (codes[error.code] ?? 0) + 1
    }
    peak = Math.max(peak, resident() - before)
    if (peak > mostMiB) {
      throw new Error(`${format.name}, seed ${seed}, case ${index}: the process grew by ${Math.round(peak)} MiB`)
    }
  }
  return { format: format.name, cases, read, codes, peakMiB: Math.round(peak) }
}
