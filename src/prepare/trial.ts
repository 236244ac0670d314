/** What preparing would take and bring, measured on a few videos in a folder that is removed again. */
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeTemporaryFolder } from '../core/make-folder.ts'
import { DecodePool } from '../video/pool.ts'
import { TrainingClips } from '../video/training-clips.ts'
import { defaultPrepareTimeout, type PrepareJob, type PrepareOptions, type PreparePlan } from './prepare.ts'
import { isDone, readRecords } from './records.ts'

export interface PrepareTrial {
  /** Files of this share, and those that are done. */
  readonly files: number
  readonly done: number
  /** Videos that were encoded to measure. */
  readonly tried: number
  readonly failures: readonly { readonly code: string; readonly reason: string }[]
  /** Seconds of all jobs together for what is left to do; 0 where nothing was tried. */
  readonly secondsLeft: number
  readonly jobs: number
  /** Bytes of the prepared files by those of the originals. */
  readonly growth: number
  /** Time of decoding clips from the originals by that from the prepared files; null where the machine does not tell processor time. */
  readonly speedup: number | null
}

const mostTried = 4
/** Clips of each file that decoding is measured on, original and prepared in turn. */
const clipsTried = 6

/** Writes nothing into the folder. */
export async function tryPreparation(
  plan: PreparePlan,
  folder: string,
  options: Pick<PrepareOptions, 'jobs' | 'timeoutSeconds' | 'signal' | 'onProgress'>,
): Promise<PrepareTrial> {
  const { signal } = options
  const records = await readRecords(folder)
  const left: PrepareJob[] = []
  for (const job of plan.jobs) {
    const { done } = await isDone(folder, job.source, records.get(job.name), signal).catch(() => ({ done: false }))
    if (!done) left.push(job)
  }
  const chosen = spread(left, mostTried)
  const jobs = Math.min(options.jobs ?? availableParallelism(), Math.max(1, left.length))
  const none = { files: plan.jobs.length, done: plan.jobs.length - left.length, jobs }
  if (chosen.length === 0) return { ...none, tried: 0, failures: [], secondsLeft: 0, growth: 1, speedup: null }
  const place = makeTemporaryFolder('prepare')
  const pool = new DecodePool({
    decoder: 'node-av',
    limits: {},
    workers: 1,
    timeoutSeconds: options.timeoutSeconds ?? defaultPrepareTimeout,
    slotBytes: TrainingClips.bytes,
  })
  const stop = (): void => void pool.close(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  const clips = new TrainingClips(pool)
  const failures: { code: string; reason: string }[] = []
  let [tried, seconds, originals, prepared, slow, fast] = [0, 0, 0, 0, 0, 0]
  try {
    signal?.throwIfAborted()
    await clips.seconds(chosen[0].source, 0) // The start of the process does not count.
    const exact = clips.exact
    for (const [i, { source }] of chosen.entries()) {
      const file = path.join(place, `${i}.mp4`)
      const began = clips.clock()
      const { fps, ...settings } = plan.settings
      const outcome = await pool.encode({
        kind: 'encode',
        entry: { path: source },
        file,
        settings,
        ...(fps === null ? {} : { fps }),
      })
      options.onProgress?.(i + 1, chosen.length)
      if (!outcome.ok) {
        const { code, reason, hint } = outcome.failure
        if (code.startsWith('ENCOD')) throw new VideoMaeError(reason, { code, exit: 'environment', hint })
        failures.push({ code, reason })
        continue
      }
      tried++
      seconds += clips.clock() - began
      originals += outcome.result.info.bytes
      prepared += statSync(file).size
      for (let key = 0; key < clipsTried; key++) {
        slow += await clips.seconds(source, key)
        fast += await clips.seconds(file, key)
      }
    }
    return {
      ...none,
      tried,
      failures,
      secondsLeft: tried === 0 ? 0 : ((seconds / tried) * left.length) / jobs,
      growth: originals === 0 ? 1 : prepared / originals,
      speedup: exact && fast > 0 ? slow / fast : null,
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    await pool.close()
    await rm(place, { recursive: true, force: true })
  }
}

/** Items evenly spread over all. */
function spread<Item>(items: readonly Item[], most: number): Item[] {
  const count = Math.min(most, items.length)
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)])
}
