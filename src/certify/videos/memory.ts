/** Whether the features and the base classifiers of a certification fit into memory, before a video is decoded. */
import { availableParallelism } from 'node:os'
import { availableMemory } from '../../core/available-memory.ts'
import { requireFilledLearners } from '../../core/counts.ts'
import { bytesOfWeights, type EncoderWeights, planFeatureProgram } from '../../inference/encoder-source.ts'
import { gatheredClips } from '../../inference/feature-collector.ts'
import { bytesOnTheWay, clipBytesOf } from '../../inference/memory.ts'
import { chooseEngine } from '../../train/engine-choice.ts'
import { formatBytes, formatNeed, type MemoryNeed, programsNeed, requireMemory } from '../../train/memory-need.ts'
import { threadCount } from '../ensemble/queue.ts'
import { needsSpread, type Rule } from '../rules/list.ts'
import type { FeatureSource } from './feature-source.ts'
import { inputClips } from './input-row.ts'
import { attentiveLearnerNeed } from './learners/attentive.ts'
import { type FrameLearnerOptions, frameLearnerNeed } from './learners/frame-trainer.ts'
import { isFrameKind, isHeadKind } from './learners/learner-options.ts'
import { pixelWidth } from './pixels.ts'
import type { CertifyVideosOptions, CertifyVideosPlan } from './plan.ts'
import { rowsPerVideo } from './rows-per-video.ts'
import { readoutOf } from './video-certificate.ts'

/** Resident memory of the program without an engine: an assumption, next to which features and learners count. */
const programBytes = 100e6

/** How large the ensemble is, where it is known before it is planned in full. */
export interface EnsembleSize {
  /** Largest number of base classifiers in one ensemble. */
  readonly learners: number
  /** Learners that one video reaches, at most. */
  readonly reach: number
  /** Largest part of the protected videos that one base classifier reads, on average over partitions, 0 to 1. */
  readonly share: number
}

/** The size of the largest ensemble, and the largest share of one learner, of several numbers of partitions and rules. */
export function ensembleSize(of: {
  readonly partitions: readonly number[]
  readonly rules: readonly Rule[]
  readonly spread?: number
  /** Rule `temporal`: periods that each learner reads. */
  readonly coverage?: number
}): EnsembleSize {
  const { partitions, rules, spread = 4, coverage = 1 } = of
  const offsets = rules.some(needsSpread) ? spread : 1
  return {
    learners: Math.max(...partitions) * offsets,
    reach: offsets * coverage,
    share: Math.min(1, coverage / Math.min(...partitions)),
  }
}

/**
 * Tells what the features and the learners need and refuses what does not fit.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers, `INVALID_ARGUMENT` for far more learners than videos fill
 */
export async function requireStudyMemory(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  size: EnsembleSize = { learners: 1, reach: 1, share: 0 },
): Promise<void> {
  const { kind } = plan.learner
  requireFilledLearners(plan.split.train.length, size.learners, size.reach)
  await requireFeatureMemory(plan, options)
  if (isHeadKind(kind)) return requireHeadMemory(plan, options, size)
  const [source] = encodersOf(plan.sources)
  const atOnce = Math.min(threadCount(options), size.learners > 1 ? size.learners : threadCount(options))
  const { name: engine } = await chooseEngine(options.engine ?? null)
  const classes = Math.max(2, plan.classes.length)
  const rows = Math.max(1, Math.ceil(plan.split.train.length * size.share))
  if (isFrameKind(kind)) {
    const learner: FrameLearnerOptions = { ...plan.learner, kind, engine }
    return requireLearnerMemory(options, atOnce, (learners) =>
      frameLearnerNeed(source, learner, { classes, atOnce: learners }).then(({ start, memory }) => ({
        memory,
        what: `${start.model}; ${(start.parameters / 1e6).toFixed(1)} million parameters, ${start.clipsPerRun} clips per run`,
        engine: start.engine,
        smaller: 'a smaller encoder, or a recipe (--recipe) with a smaller batch.perRun',
      })),
    )
  }
  const tests = plan.split.test.length
  return requireLearnerMemory(options, atOnce, async (learners) => ({
    ...attentiveLearnerNeed(source, { engine, classes, rows, tests, atOnce: learners }),
    engine,
    smaller:
      'more --partitions, a smaller encoder, or --learner ridge, which keeps one row per clip instead of all its tokens',
  }))
}

interface LearnerNeed {
  readonly memory: MemoryNeed
  /** What each learner is. */
  readonly what: string
  readonly engine: string
  /** What to take where not even one learner fits. */
  readonly smaller: string
}

async function requireLearnerMemory(
  { onNote }: CertifyVideosOptions,
  atOnce: number,
  needOf: (learners: number) => Promise<LearnerNeed>,
): Promise<void> {
  const { memory, what, engine, smaller } = await needOf(atOnce)
  onNote?.(`base classifiers train ${what}, up to ${atOnce} at once on ${engine}`)
  onNote?.(`memory ${formatNeed(memory)}; ${formatBytes(memory.available)} available`)
  const { memory: one } = await needOf(1)
  requireMemory(memory, () => {
    const room = memory.available - one.program
    const fitting = Math.floor(room / (one.total - one.program))
    if (fitting >= 1) return `Train fewer base classifiers at once: --threads ${fitting}.`
    return `Not even one base classifier fits: use ${smaller}.`
  })
}

/**
 * The program of the largest encoder, its weights and the decoding processes. Encoders of groups run one after the other. Frames and
 * pixels need no encoder.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers
 */
export async function requireFeatureMemory(
  plan: Pick<CertifyVideosPlan, 'learner' | 'sources'>,
  options: CertifyVideosOptions,
): Promise<void> {
  const memory = await featureNeed(plan, options)
  if (memory === null) return
  options.onNote?.(`features: memory ${formatNeed(memory)}; ${formatBytes(memory.available)} available`)
  requireMemory(
    memory,
    () => 'Use a smaller encoder, fewer --workers, --clips or --test-clips, or a machine with more memory.',
  )
}

/** What computing features needs; null where no encoder does. */
export async function featureNeed(
  { learner, sources: named }: Pick<CertifyVideosPlan, 'learner' | 'sources'>,
  options: CertifyVideosOptions,
): Promise<MemoryNeed | null> {
  const { engine, workers = availableParallelism() } = options
  const sources = named.filter((source) => source.kind !== 'pixels')
  if (sources.length === 0 || isFrameKind(learner.kind)) return null
  const { name } = await chooseEngine(engine ?? null)
  const kind = isHeadKind(learner.kind) ? 'pooled' : 'tokens'
  // All clips of a video are in memory together.
  const clips = Math.max(rowsPerVideo(sources, options), inputClips(options))
  const held = sources.reduce((sum, source) => sum + bytesOfWeights(source.source), 0)
  const needs = sources.map((source) =>
    programsNeed({
      ...{
        engine: name,
        programs: [planFeatureProgram(source.source, kind, 1, readoutOf([source])).program],
        saving: held,
      },
      workers,
      data: bytesOnTheWay({
        ...{ views: clips, workers, clipBytes: clipBytesOf(source.source.configuration) },
        gathered: gatheredClips(1, clips),
      }),
    }),
  )
  return needs.reduce((a, b) => (b.total > a.total ? b : a))
}

function requireHeadMemory(plan: CertifyVideosPlan, options: CertifyVideosOptions, size: EnsembleSize): void {
  const need = headNeed(plan, options, size)
  options.onNote?.(`base classifiers: memory ${formatBytes(need.total)}; ${formatBytes(need.available)} available`)
  requireMemory(
    need,
    () => 'Use fewer --partitions, fewer --clips, less --augment, fewer --threads, or a machine with more memory.',
  )
}

/** Features in float32, once as they are read and once shared by threads, the heads, and float64 working memory of each thread. */
export function headNeed(
  { split, sources, classes }: CertifyVideosPlan,
  options: CertifyVideosOptions,
  { learners, share }: EnsembleSize,
): MemoryNeed {
  const width = Math.max(...sources.map(widthOf)) + 1 // and the bias
  const trained = split.train.length * rowsPerVideo(sources, options)
  const rows = trained + split.test.length * sources.length
  const each = Math.max(1, Math.ceil(trained * share))
  const working = 8 * (each * width + 2 * Math.min(each, width) ** 2)
  const parts = {
    state: 4 * learners * classes.length * width,
    workspace: threadCount(options) * working,
    saving: 0,
    data: 2 * 4 * rows * width,
    program: programBytes,
  }
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0)
  return { ...parts, total, available: availableMemory() }
}

/** Values of a row of features, without the bias. */
export function widthOf(source: FeatureSource): number {
  if (source.kind === 'pixels') return pixelWidth(source)
  const { shape } = planFeatureProgram(source.source, 'pooled', 1, readoutOf([source]))
  return shape[0]
}

function encodersOf(sources: readonly FeatureSource[]): EncoderWeights[] {
  return sources.flatMap((source) => (source.kind === 'pixels' || source.kind === 'patches' ? [] : [source.source]))
}
