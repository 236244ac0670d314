/** A run on a rank that writes nothing: rank 0 has the folder, and tells the others how far the run is. */

import { VideoMaeError } from '../core/errors.ts'
import type { Ranks } from '../distributed/ranks.ts'
import type { EngineSession } from '../engine/engine.ts'
import type { ModelState } from '../model/model-state.ts'
import type { BadFile } from '../video/epoch-order.ts'
import type { StepAgreement } from './loop.ts'
import { runTraining } from './loop.ts'
import { Metrics } from './metrics.ts'
import {
  type OpenedTraining,
  type RunOptions,
  stepInputs,
  type TrainingJob,
  type TrainingRunResult,
} from './training-job.ts'

/** Where a run continues, as rank 0 knows it. */
export interface RunProgress {
  readonly done: number
  readonly knownBad: readonly BadFile[]
}

/** The engine that the run was started with, from rank 0's checkpoint. */
export async function openOnRanks(job: TrainingJob, ranks: Ranks, usedBefore: string | null): Promise<OpenedTraining> {
  const before = await ranks.fromFirst(usedBefore)
  const opened = await ranks.agree(() => job.open(before))
  const { session } = opened
  try {
    await ranks.requireSame({
      'engine.name': session.engine,
      'engine.variant': session.variant ?? 'unknown',
      ...sectionsOf(job.identity.configuration),
      videos: `${job.identity.data.entries} entries, ${job.identity.data.digest.slice(0, 12)}`,
      ...labelsOf(job),
      steps: String(job.steps),
    })
  } catch (error) {
    await session.close()
    throw error
  }
  return opened
}

function labelsOf({ identity: { data } }: TrainingJob): Readonly<Record<string, string>> {
  const { labels } = data
  if (labels === undefined) return {}
  return { labels: `${labels.classes.length} classes, ${labels.digest.slice(0, 12)}` }
}

/** What ranks have to have in common: every section of the configuration. The same videos may be elsewhere on another machine. */
function sectionsOf(configuration: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const sections = Object.entries(configuration).map(([name, values]) => {
    const kept = name === 'data' ? { ...(values as Readonly<Record<string, unknown>>), path: null } : values
    return [name, JSON.stringify(kept)] as const
  })
  return Object.fromEntries(sections)
}

/**
 * Gives every rank the state of rank 0: the weights that a run begins with, or those of its checkpoint.
 *
 * @param state of rank 0; other ranks pass null
 */
export async function spreadState(session: EngineSession, ranks: Ranks, state: ModelState | null): Promise<void> {
  if (ranks.size === 1) return session.writeState(state ?? new Map())
  const sizes = await ranks.fromFirst([...(state ?? [])].map(([name, values]) => [name, values.length] as const))
  for (const [name, length] of sizes) {
    const values = state?.get(name) ?? new Float32Array(length)
    await ranks.communicator.broadcast(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    await session.writeState(new Map([[name, values]]))
  }
}

/** What the loop decides together with other ranks; undefined in a run of one process. */
export function stepAgreement(ranks: Ranks): StepAgreement | undefined {
  if (ranks.size === 1) return undefined
  return {
    size: ranks.size,
    async stop(wanted) {
      return (await ranks.numbers(wanted ? 1 : 0)).some((each) => each !== 0)
    },
    async meanLoss(loss, gradientNorm) {
      const losses = await ranks.numbers(loss)
      const norms = await ranks.numbers(gradientNorm)
      const other = norms.findIndex((norm) => !Object.is(norm, norms[0]))
      if (other > 0) throw ranks.commonly(diverged(ranks.name(other), norms[0], norms[other]))
      return losses.reduce((sum, each) => sum + each, 0) / ranks.size
    },
    collect: (files) => ranks.collect(files),
    commonly: (error) => ranks.commonly(error),
  }
}

function diverged(name: string, first: number, other: number): VideoMaeError {
  return new VideoMaeError(
    `Expected the same gradient norm on all ranks, but it is ${first} on rank 0 and ${other} on ${name}: their weights are no longer the same.`,
    {
      code: 'RANKS_DIVERGED',
      exit: 'environment',
      hint: 'Continue with --resume: all ranks begin with the weights of the checkpoint. If it happens again, look for a faulty machine.',
    },
  )
}

/** Rank 0 has the event files. */
const showNothing = async (): Promise<void> => {}

/** Trains next to rank 0, which keeps the folder: the same collective calls in the same order as `trainInDirectory`. */
export async function trainBeside(job: TrainingJob, options: RunOptions, ranks: Ranks): Promise<TrainingRunResult> {
  await ranks.agree(() => {}) // the folder is found, and locked
  const opened = await openOnRanks(job, ranks, null)
  const { session } = opened
  let close = (): Promise<void> => session.close()
  try {
    await ranks.agree(() => {}) // the folder is prepared
    const progress = await ranks.fromFirst<RunProgress>({ done: 0, knownBad: [] })
    await ranks.agree(() => {}) // the state is read
    await spreadState(session, ranks, null)
    const { loader, next } = job.openData({ ...progress, onBadFile: () => {} })
    close = async () => {
      await loader.close()
      await session.close()
    }
    const metrics = new Metrics()
    await ranks.agree(() => {}) // the first step may begin
    await job.onStarted?.(progress.done, opened, showNothing)
    await runTraining({
      session,
      programs: opened.programs,
      precision: opened.precision,
      steps: job.steps,
      done: progress.done,
      nextBatch: next,
      stepInputs: stepInputs(job.schedule, job.ema),
      accumulateInputs: opened.accumulateInputs,
      saveEvery: job.checkpointSteps,
      signal: options.signal,
      ranks: stepAgreement(ranks),
      async onStep(record) {
        metrics.add(record)
        await job.afterStep?.(record.step, opened, showNothing)
      },
      async save() {
        await job.beforeSave?.()
        await ranks.agree(() => {}) // the checkpoint is written
      },
    })
    const { clips, seconds } = metrics.state.totals
    return {
      run: options.out,
      checkpoint: '',
      engine: session.engine,
      steps: job.steps,
      loss: null,
      meanLoss: null,
      clips,
      seconds,
      clipsPerSecond: metrics.clipsPerSecond,
      badFiles: loader.badFiles(),
    }
  } finally {
    await close()
  }
}
