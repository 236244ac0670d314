/** What preparing would take and bring, measured on a few videos in a folder that is removed again. */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { makeTemporaryFolder } from '../core/make-folder.ts'
import { encodeDefaults } from '../video/encode-defaults.ts'
import type { DecodePool } from '../video/pool.ts'
import { spread, type TrainingClips, withTrainingClips } from '../video/training-clips.ts'
import { endingError } from './failures.ts'
import { encodingOf, type PrepareSettings } from './folder.ts'
import type { PrepareJob, PrepareOptions, PreparePlan } from './prepare.ts'
import { isDone, readPreparedRecords } from './records.ts'

/** What preparing would take and bring. */
export interface PrepareTrial {
  /** Files of this share. */
  readonly files: number
  /** How many of them are prepared already. */
  readonly done: number
  /** Videos that were encoded to measure. */
  readonly tried: number
  /** Why some of these could not be prepared. */
  readonly failures: readonly { readonly code: string; readonly reason: string }[]
  /** Seconds of all jobs together for what is left to do; 0 where nothing was tried. */
  readonly secondsLeft: number
  /** Videos encoded at a time. */
  readonly jobs: number
  /** Bytes of the prepared files by those of the originals. */
  readonly growth: number
  /** Time of decoding clips from the originals by that from the prepared files; null where the machine does not tell processor time. */
  readonly speedup: number | null
}

const mostTried = 4
/** Clips of each file that decoding is measured on, original and prepared in turn. */
const clipsTried = 6

/**
 * Measures on a few videos what preparing would take and bring. Writes nothing into the folder.
 *
 * @param plan of `planPreparation`
 * @throws VideoMaeError `ENCODER_MISSING`, `ENCODING_FAILED`; what the decoding processes throw; the signal's reason
 */
export async function tryPreparation(
  plan: PreparePlan,
  folder: string,
  options: Pick<PrepareOptions, 'jobs' | 'timeoutSeconds' | 'signal' | 'onProgress'>,
): Promise<PrepareTrial> {
  const { signal } = options
  const records = await readPreparedRecords(folder)
  const left: PrepareJob[] = []
  for (const job of plan.jobs) {
    const { done } = await isDone(folder, job.source, records.get(job.name), signal).catch(() => ({ done: false }))
    if (!done) left.push(job)
  }
  const chosen = spread(left, mostTried)
  const jobs = Math.min(options.jobs ?? availableParallelism(), Math.max(1, left.length))
  const none = { files: plan.jobs.length, done: plan.jobs.length - left.length, jobs }
  if (chosen.length === 0) return { ...none, tried: 0, failures: [], secondsLeft: 0, growth: 1, speedup: null }
  const { timeoutSeconds = encodeDefaults.timeoutSeconds } = options
  const temporary = makeTemporaryFolder('prepare')
  try {
    const { failures, tried, seconds, originals, prepared, slow, fast, exact } = await withTrainingClips(
      chosen[0].source,
      { timeoutSeconds, signal },
      (clips, pool) =>
        measure(clips, pool, { chosen, temporary, settings: plan.settings, onProgress: options.onProgress }),
    )
    return {
      ...none,
      tried,
      failures,
      secondsLeft: tried === 0 ? 0 : ((seconds / tried) * left.length) / jobs,
      growth: originals === 0 ? 1 : prepared / originals,
      speedup: exact && fast > 0 ? slow / fast : null,
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

interface Trials {
  readonly chosen: readonly PrepareJob[]
  /** Folder of the files that are encoded. */
  readonly temporary: string
  readonly settings: PrepareSettings
  readonly onProgress?: (done: number, total: number) => void
}

/** Encodes videos and decodes clips of each and of what was made of it. Bytes and seconds are those of all that could be encoded. */
async function measure(clips: TrainingClips, pool: DecodePool, { chosen, temporary, settings, onProgress }: Trials) {
  const { exact } = clips
  const failures: { code: string; reason: string }[] = []
  let [tried, seconds, originals, prepared, slow, fast] = [0, 0, 0, 0, 0, 0]
  for (const [i, { source }] of chosen.entries()) {
    const file = path.join(temporary, `${i}.mp4`)
    const began = clips.clock()
    const outcome = await pool.encode({ kind: 'encode', entry: { path: source }, file, ...encodingOf(settings) })
    onProgress?.(i + 1, chosen.length)
    if (!outcome.ok) {
      const ending = endingError(outcome.failure)
      if (ending !== null) throw ending
      failures.push({ code: outcome.failure.code, reason: outcome.failure.reason })
      continue
    }
    tried++
    seconds += clips.clock() - began
    originals += outcome.result.info.bytes
    prepared += outcome.result.bytes
    for (let key = 0; key < clipsTried; key++) {
      slow += await clips.seconds(source, key)
      fast += await clips.seconds(file, key)
    }
  }
  return { failures, tried, seconds, originals, prepared, slow, fast, exact }
}
