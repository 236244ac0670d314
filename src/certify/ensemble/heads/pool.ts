/** Runs ranges of a job on worker threads, or here when one thread is asked for. Results do not depend on the number. */
import { Worker } from 'node:worker_threads'
import { compiledEntry, threadOptions } from '../../../core/entry.ts'
import type { LearnerRecord, PoolOptions } from '../learners.ts'
import { inTurns, type Range, threadCount } from '../queue.ts'
import type { FlipJob } from './flips.ts'
import type { TrainJob, VoteJob } from './job.ts'
import { type AnyJob, runRange, workOf } from './work.ts'

export function trainInThreads(
  job: TrainJob,
  ranges: readonly Range[],
  options: PoolOptions,
  onRange: (range: Range, records: readonly LearnerRecord[]) => void,
): Promise<void> {
  return run(job, ranges, options, onRange)
}

/** Votes, or costs of flips: what threads write into the job. */
export function runWriting(job: VoteJob | FlipJob, ranges: readonly Range[], options: PoolOptions): Promise<void> {
  return run(job, ranges, options, () => {})
}

/** Multiplications that may block this thread: about a quarter of a second. */
const mostHere = 2.5e8

async function run(
  job: AnyJob,
  ranges: readonly Range[],
  options: PoolOptions,
  onRange: (range: Range, records: readonly LearnerRecord[]) => void,
): Promise<void> {
  const total = ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  const threads = Math.min(threadCount(options), ranges.length)
  let done = 0
  const finished = (range: Range, records: readonly LearnerRecord[]) => {
    onRange(range, records)
    done += range[1] - range[0]
    options.onProgress?.(done, total)
  }
  // One thread is this one, unless a range of the work would keep it from hearing that it is to stop.
  const longest = (workOf(job) * Math.max(...ranges.map(([from, to]) => to - from))) / Math.max(1, learnersOf(job))
  if (threads <= 1 && (options.signal === undefined || ranges.length === 0 || longest < mostHere)) {
    for (const range of ranges) {
      options.signal?.throwIfAborted()
      finished(range, runRange(job, range[0], range[1]))
      await new Promise(setImmediate) // lets signals and progress through
    }
    return
  }
  const entry = compiledEntry(import.meta.url, './worker')
  await inTurns(ranges, { threads, signal: options.signal }, () => {
    const worker = new Worker(entry, { workerData: job, execArgv: threadOptions() })
    return {
      work: async (range) => finished(range, await ask(worker, range, options.signal)),
      close: () => worker.terminate(),
    }
  })
}

function learnersOf(job: AnyJob): number {
  return job.kind === 'vote' ? job.ballots.learners : job.learners
}

function ask(worker: Worker, range: Range, signal: AbortSignal | undefined): Promise<readonly LearnerRecord[]> {
  return new Promise((resolve, reject) => {
    const abort = () => settle(() => reject(signal?.reason))
    const settle = (how: () => void) => {
      worker.removeAllListeners('message')
      worker.removeAllListeners('error')
      worker.removeAllListeners('exit')
      signal?.removeEventListener('abort', abort)
      how()
    }
    worker.once('message', (result: readonly LearnerRecord[]) => settle(() => resolve(result)))
    worker.once('error', (error) => settle(() => reject(error)))
    worker.once('exit', (code) =>
      settle(() => reject(new Error(`A thread that trains base classifiers ended early (exit code ${code}).`))),
    )
    signal?.addEventListener('abort', abort, { once: true })
    worker.postMessage(range)
  })
}
