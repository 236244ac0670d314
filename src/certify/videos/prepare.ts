/** Everything between a folder of videos and the mathematics of certificates. */

import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import type { EncoderWeights } from '../../inference/encoder-source.ts'
import { computeFeatures } from '../../inference/features.ts'
import { chooseEngine } from '../../train/engine-choice.ts'
import { withProcesses } from '../../video/idle-processes.ts'
import { isTransientFailure } from '../../video/video-errors.ts'
import type { FeatureSet, SampleSet, TestInputs, TestSet } from '../ensemble/feature-set.ts'
import { headLearners } from '../ensemble/heads/family.ts'
import { headNamed } from '../ensemble/heads/list.ts'
import type { LearnerFamily } from '../ensemble/learners.ts'
import type { EncoderProvenance } from '../threat/threat.ts'
import {
  featureSetOf,
  inputFeatures,
  noVideos,
  storeFeatures,
  testSetOf,
  type VideoWithoutFeatures,
  videoFeatures,
} from './feature-sets.ts'
import type { FeatureSource } from './feature-source.ts'
import { inputClips } from './input-row.ts'
import { attentiveTrainer } from './learners/attentive.ts'
import { engineLearners } from './learners/family.ts'
import { openFrames } from './learners/frame-store.ts'
import { frameTrainer } from './learners/frame-trainer.ts'
import { groupScaledHeads } from './learners/group-scales.ts'
import { isFrameKind, isHeadKind, notGrouped } from './learners/learner-options.ts'
import { videoInputsOf, videoSetOf } from './learners/video-set.ts'
import { type EnsembleSize, requireFeatureMemory, requireStudyMemory } from './memory.ts'
import type { CertifyVideosOptions, CertifyVideosPlan } from './plan.ts'
import type { LeftOutRow } from './reading.ts'
import { applyScale, type FeatureScale, measureScale } from './scale.ts'

/** What `certify`, `audit` and `doseLearner` take. */
export interface Prepared<Set extends SampleSet, Inputs extends TestInputs> {
  /** Trains the base classifiers. */
  readonly learners: LearnerFamily<Set, Inputs>
  /** The protected set. */
  readonly set: Set
  /** The inputs to predict. */
  readonly test: Inputs
  /** Where the encoder is from, with its digest. */
  readonly encoder: EncoderProvenance
  /** [encoders] what scales the features of `set` and `test`; null where they are not scaled, absent for learners without features. */
  readonly scales?: readonly FeatureScale[] | null
  /** Videos of the plan that cannot be decoded. */
  readonly leftOut: readonly LeftOutRow[]
}

/**
 * Computes what the base classifier of a plan reads (features, tokens or frames, each kept in the cache) and hands it on.
 *
 * @param size of the ensemble, for the estimate of memory; without it the videos of a learner do not count
 * @throws VideoMaeError `FEATURES_NONE` when no video can be read, `OUT_OF_MEMORY` where features or learners do not fit, and what
 *   computing features throws
 */
export async function prepareLearners<Result>(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  use: <Set extends SampleSet, Inputs extends TestInputs>(prepared: Prepared<Set, Inputs>) => Promise<Result>,
  size?: EnsembleSize,
): Promise<Result> {
  const { learner, split, classes, encoder } = plan
  const { kind } = learner
  await requireStudyMemory(plan, options, size)
  if (isHeadKind(kind))
    return use({ ...(await prepareSets(plan, options)), learners: headLearners(headNamed(kind, { ...learner })) })
  const source = encoderOf(plan.sources[0])
  // By its name even where none is asked for: another engine gives other bytes, so it is a part of what is recorded.
  const chosen = await chooseEngine(options.engine ?? learner.recipe?.engine.name ?? null)
  const made = { engine: chosen.name, engineVariant: chosen.variant?.() ?? null }
  const all = [...split.train, ...split.test]
  const { learners, videos, failures } = isFrameKind(kind)
    ? await openFrames(source, all, options).then(({ frames, ...read }) => {
        const trainer = frameTrainer(source, frames, { ...learner, kind, ...made })
        return { ...read, learners: engineLearners(trainer, learner.seed) }
      })
    : await computeTokens(source, all, options).then(({ store, shape, ...read }) => {
        const trainer = attentiveTrainer(source, store, shape, { ...learner, ...made })
        return { ...read, learners: engineLearners(trainer, learner.seed) }
      })
  const tested = new Set(split.test)
  const leftOut = undecoded(
    failures,
    // By the row itself: training and test data that are named apart may share ids.
    (video) => (tested.has(video) ? 'test' : 'training'),
    options,
  )
  const readable = new Set(videos.map(({ video }) => video))
  const [train, test] = [split.train, split.test].map((part) => part.filter((video) => readable.has(video)))
  if (train.length === 0 || test.length === 0) throw noVideos(all.length - videos.length, failures)
  return use({ learners, set: videoSetOf(train, classes), test: videoInputsOf(test), encoder, leftOut })
}

/**
 * For an audit of rule `groups`: heads whose encoders have a part of their own in each group, which is trained again.
 *
 * @throws VideoMaeError `LEARNER_NOT_GROUPED`, and what `prepareSets` throws
 */
export async function prepareGroups(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  groups: number,
  size?: EnsembleSize,
): Promise<Prepared<FeatureSet, TestSet>> {
  const { kind } = plan.learner
  if (!isHeadKind(kind)) throw notGrouped(kind)
  await requireStudyMemory(plan, options, size)
  return {
    ...(await prepareSets(plan, options)),
    learners: groupScaledHeads(headLearners(headNamed(kind, { ...plan.learner })), groups),
  }
}

/**
 * Features of the protected and the predicted videos, for heads.
 *
 * @throws VideoMaeError `FEATURES_NONE` and what `computeFeatures` throws
 */
export function prepareSets(plan: CertifyVideosPlan, options: CertifyVideosOptions) {
  return withProcesses(options.processes, (processes) => setsOfPlan(plan, { ...options, processes }))
}

async function setsOfPlan(plan: CertifyVideosPlan, options: CertifyVideosOptions) {
  const { sources, groupOf, classes, split, encoder } = plan
  if (groupOf === null) {
    const { set, test, scale, leftOut } = await setsOf(sources[0], split.train, plan, options)
    return { set, test, encoder, scales: scale === null ? null : [scale], leftOut }
  }
  // Each group through its own encoder; the inputs through every one.
  const parts: SetsOfSource[] = []
  for (const [group, source] of sources.entries()) {
    const mine = split.train.filter((_, i) => groupOf[i] === group)
    parts.push(await setsOf(source, mine, plan, options))
  }
  const tests = parts.map(({ test }) => test)
  const set = joined(
    parts.map((part) => part.set),
    classes,
  )
  const leftOut = parts.flatMap((part, group) => part.leftOut.filter(({ side }) => group === 0 || side === 'training'))
  const scales = parts.map(({ scale }) => scale).filter((scale) => scale !== null)
  const scaled = scales.length > 0 ? scales : null
  return { set, test: { ...tests[0], perGroup: tests }, encoder, scales: scaled, leftOut }
}

interface SetsOfSource {
  readonly set: FeatureSet
  readonly test: TestSet
  readonly scale: FeatureScale | null
  readonly leftOut: readonly LeftOutRow[]
}

async function setsOf(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  { classes, split, trusted }: CertifyVideosPlan,
  options: CertifyVideosOptions,
): Promise<SetsOfSource> {
  const train = await videoFeatures(source, videos, options)
  const test = await inputFeatures(source, split.test, options)
  const leftOut = [
    ...undecoded(train.failures, () => 'training', options),
    ...undecoded(test.failures, () => 'test', options),
  ]
  const sets = { set: featureSetOf(train, classes), test: testSetOf(test), leftOut }
  if (trusted === null) return { ...sets, scale: null }
  const scaling = await videoFeatures(source, trusted.videos, { ...options, ...middleOnly })
  const scale = measureScale(scaling)
  const lost = undecoded(scaling.failures, () => 'trusted', options)
  const [set, tested] = [applyScale(sets.set, scale), applyScale(sets.test, scale)]
  return { set, test: tested, scale, leftOut: [...leftOut, ...lost] }
}

/** What fixes the scale is read as it is: one clip, the middle. */
const middleOnly = { clips: 1, augment: undefined }

/**
 * Videos that cannot be decoded are left out: that follows from their content. One that could not be decoded this time is not: a
 * clean one that a busy machine drops would make another protected set.
 *
 * @throws VideoMaeError `VIDEO_NOT_DECIDED`
 */
function undecoded(
  failures: readonly VideoWithoutFeatures[],
  sideOf: (video: LabeledVideo) => LeftOutRow['side'],
  { onNote }: Pick<CertifyVideosOptions, 'onNote'>,
): LeftOutRow[] {
  const undecided = failures.filter(({ code }) => isTransientFailure(code))
  if (undecided.length > 0) {
    const [{ id, code, reason }] = undecided
    throw new VideoMaeError(
      `Expected every video to be decoded or found damaged, but ${undecided.length} could not be decoded this time; the first is ${id} (${code}): ${reason}.`,
      {
        code: 'VIDEO_NOT_DECIDED',
        exit: 'environment',
        hint: 'Run the same command again (finished work is kept), with fewer --workers or when the machine is less busy. If a file fails again, remove it from the data.',
      },
    )
  }
  for (const { id, code, reason } of failures.slice(0, 10)) onNote?.(`left out: ${id}: ${reason} [${code}]`)
  return failures.map(({ id, code, reason, video }) => ({ id, side: sideOf(video), code, reason }))
}

/** Rows of several sets one after the other. */
function joined(sets: readonly FeatureSet[], classNames: readonly string[]): FeatureSet {
  const { width } = sets[0]
  const other = sets.find((set) => set.width !== width)
  if (other !== undefined) {
    throw new VideoMaeError(`Expected encoders of one width, but their widths are ${width} and ${other.width}.`, {
      code: 'GROUP_ENCODER_MISMATCH',
      exit: 'data',
      hint: 'Pretrain the encoders of all groups with one recipe.',
    })
  }
  const rows = sets.reduce((sum, set) => sum + set.rows, 0)
  const features = new Float32Array(rows * width)
  let at = 0
  for (const set of sets) {
    features.set(set.features, at)
    at += set.features.length
  }
  return {
    features,
    rows,
    width,
    classNames,
    labels: Int32Array.from(sets.flatMap((set) => [...set.labels])),
    ids: sets.flatMap((set) => set.ids),
    digests: sets.flatMap((set) => set.digests),
    ...(sets.every((set) => set.segments !== undefined) ? { segments: sets.flatMap((set) => set.segments ?? []) } : {}),
    ...(sets.some((set) => set.originals !== undefined)
      ? { originals: sets.flatMap((set) => set.originals ?? set.ids.map(() => null)) }
      : {}),
    ...(sets.every((set) => set.groups !== undefined) ? { groups: sets.flatMap((set) => set.groups ?? []) } : {}),
  }
}

/**
 * Computes the share of the features, tokens or frames that one of several cluster jobs has to.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY`, and what reading videos and the engine throw; the signal's reason when aborted
 */
export async function prepareShare(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  shard: { readonly index: number; readonly count: number },
): Promise<void> {
  await requireFeatureMemory(plan, options)
  await withProcesses(options.processes, (processes) => shareOf(plan, { ...options, processes }, shard))
}

async function shareOf(
  plan: CertifyVideosPlan,
  options: CertifyVideosOptions,
  shard: { readonly index: number; readonly count: number },
): Promise<void> {
  const { split, sources, trusted, groupOf } = plan
  const { kind } = plan.learner
  for (const [group, source] of sources.entries()) {
    const train = split.train.filter((_, i) => groupOf === null || groupOf[i] === group)
    const all = [...train, ...split.test]
    if (isFrameKind(kind)) await openFrames(encoderOf(source), all, { ...options, shard })
    else if (!isHeadKind(kind)) await computeTokens(encoderOf(source), all, { ...options, shard })
    else {
      await storeFeatures(source, train, { ...options, shard })
      const inputs = { clips: inputClips(options), augment: undefined }
      await storeFeatures(source, split.test, { ...options, ...inputs, shard })
      await storeFeatures(source, trusted?.videos ?? [], { ...options, ...middleOnly, shard })
    }
  }
}

/** Clips go through the engine one by one, as in `storeFeatures`. */
function computeTokens(source: EncoderWeights, videos: readonly LabeledVideo[], options: CertifyVideosOptions) {
  return computeFeatures(source, videos, { ...options, kind: 'tokens', batch: 1, clips: 1 })
}

/** `planCertification` has refused pixels for these learners. */
function encoderOf(source: FeatureSource): EncoderWeights {
  if (source.kind !== 'pixels' && source.kind !== 'patches') return source.source
  throw invalidArgument('from', 'a checkpoint for base classifiers that read tokens or frames', source.name)
}
