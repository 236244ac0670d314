/** How long a certification takes, measured on a sample of its own work. */
import { rm } from 'node:fs/promises'
import { makeTemporaryFolder } from '../../../core/make-folder.ts'
import { RandomStream } from '../../../core/random.ts'
import type { LabeledVideo } from '../../../dataset/dataset.ts'
import type { FeatureSet, SampleSet, TestSet } from '../../ensemble/feature-set.ts'
import { rowsOfLearner } from '../../ensemble/layout.ts'
import type { LearnerFamily } from '../../ensemble/learners.ts'
import { learnerSizes } from '../../rules/spread.ts'
import { storeFeatures } from '../feature-sets.ts'
import type { FeatureSource } from '../feature-source.ts'
import type { CertifyVideosOptions } from '../plan.ts'
import type { PlannedEnsemble } from './ensembles.ts'

/** Seconds of a kind of work, from some of it. */
export interface MeasuredWork {
  readonly seconds: number
  /** Items that were measured, of how many. */
  readonly measured: number
  readonly items: number
}

/** Videos whose features are computed to measure the time of one. */
const sampleVideos = 6

/**
 * Decodes some of the videos and computes their features, in a temporary folder that is removed. What is in the cache already is not
 * subtracted.
 *
 * @param clips of all videos together, and of each training video
 */
export async function measureFeatures(
  source: FeatureSource,
  videos: readonly LabeledVideo[],
  clips: { readonly all: number; readonly perVideo: number },
  options: CertifyVideosOptions,
): Promise<MeasuredWork> {
  const folder = makeTemporaryFolder('plan')
  const chosen = evenly(videos, sampleVideos)
  const run = async (some: readonly LabeledVideo[]): Promise<number> => {
    const start = performance.now()
    await storeFeatures(source, some, { ...options, cache: folder, shard: null, onProgress: undefined })
    return (performance.now() - start) / 1000
  }
  try {
    const [first, second, ...others] = chosen
    const cold = await run([first])
    // The second is like the others, but alone: the difference is what a process or an engine needs to start.
    const alone = second === undefined ? cold : await run([second])
    const together = others.length === 0 ? alone : await run(others)
    const more = others.length > 1 ? (together - alone) / (others.length - 1) : alone
    const each = more > 0 ? more : together / Math.max(1, others.length)
    const start = Math.max(0, alone - each)
    return {
      seconds: start + (each / clips.perVideo) * clips.all,
      measured: chosen.length * clips.perVideo,
      items: clips.all,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Base classifiers that are trained to measure the time of one, and inputs that they vote on. */
const sampleLearners = 3
const sampleInputs = 32

/**
 * Trains some base classifiers of an ensemble on numbers drawn at random, on one thread. The time of heads depends on the number of
 * samples, classes and features, which are the real ones, and not on their values.
 *
 * @param set a row for each protected video
 */
export async function measureHeads(
  family: LearnerFamily<FeatureSet, TestSet>,
  set: SampleSet,
  { assignment, offsets, forecast }: Pick<PlannedEnsemble, 'assignment' | 'offsets' | 'forecast'>,
  of: { readonly width: number; readonly clips: number; readonly inputs: number; readonly signal?: AbortSignal },
): Promise<{ readonly training: MeasuredWork; readonly votes: MeasuredWork }> {
  const { buckets, starts } = assignment
  const { learners } = forecast
  const inBucket = Int32Array.from({ length: buckets }, (_, bucket) => starts[bucket + 1] - starts[bucket])
  const sizes = learnerSizes(inBucket, learners, offsets)
  const bySize = Int32Array.from(sizes.keys())
    .filter((learner) => sizes[learner] > 0)
    .sort((a, b) => sizes[a] - sizes[b] || a - b)
  const chosen = evenly([...bySize], sampleLearners).map((learner) => rowsOfLearner({ assignment, offsets }, learner))
  const tests = Math.min(sampleInputs, of.inputs)
  const { samples, lists, test } = randomFeatures(set, chosen, { ...of, tests })
  const options = { threads: 1, signal: of.signal }
  await family.trainOnRows(samples, lists.slice(0, 1), options) // compiles what training needs
  let start = performance.now()
  const trained = await family.trainOnRows(samples, lists, options)
  const training = (performance.now() - start) / 1000
  start = performance.now()
  await trained.vote(test, { from: 0, to: tests }, options)
  const voting = (performance.now() - start) / 1000
  const ballots = of.inputs * learners
  return {
    training: { seconds: (training / chosen.length) * learners, measured: chosen.length, items: learners },
    votes: {
      seconds: (voting / (tests * chosen.length)) * ballots,
      measured: tests * chosen.length,
      items: ballots,
    },
  }
}

/** Rows of features for these lists of videos, `clips` for each video. */
function randomFeatures(
  set: SampleSet,
  chosen: readonly (readonly number[])[],
  { width, clips, tests }: { readonly width: number; readonly clips: number; readonly tests: number },
): { readonly samples: FeatureSet; readonly lists: number[][]; readonly test: TestSet } {
  const stream = new RandomStream('forecast')
  const owners: number[] = []
  const lists = chosen.map((rows) => rows.flatMap((row) => Array.from({ length: clips }, () => owners.push(row) - 1)))
  const features = Float32Array.from({ length: owners.length * width }, () => stream.normal())
  const samples = {
    rows: owners.length,
    width,
    features,
    classNames: set.classNames,
    labels: Int32Array.from(owners, (row) => set.labels[row]),
    ids: owners.map((row) => set.ids[row]),
    digests: owners.map((row) => set.digests[row]),
  }
  const test = {
    rows: tests,
    width,
    labels: new Int32Array(tests),
    features: Float32Array.from({ length: tests * width }, () => stream.normal()),
  }
  return { samples, lists, test }
}

/** At most `count` of some items, evenly from the first to the last. */
function evenly<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))])
}
