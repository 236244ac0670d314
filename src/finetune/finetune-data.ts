import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import type { Ranks } from '../distributed/ranks.ts'
import type { RunInputs } from '../engine/engine.ts'
import { type TestSampling, trainingSampling } from '../inference/views.ts'
import { frameSize, type ModelConfiguration } from '../model/configuration.ts'
import { dropoutFactors, dropPathFactors, dropsPaths } from '../model/drop-path.ts'
import { loaderShare } from '../train/pretrain-data.ts'
import type { RankBatches } from '../train/rank-batches.ts'
import type { DataProgress, TrainingData } from '../train/training-run.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { createLoader, type LoadedSample } from '../video/loader.ts'
import type { ClipReader } from '../video/pool.ts'
import { type FinetuneConfiguration, loadingOptions } from './configuration.ts'
import { drawMix, mixClips, mixes, mixTargets } from './mix.ts'

export interface FinetuneDataOptions extends DataProgress {
  /** Training videos; each may be named several times, so that they fill a run of the engine. */
  readonly videos: readonly LabeledVideo[]
  readonly configuration: FinetuneConfiguration
  readonly model: ModelConfiguration
  readonly sampling: TestSampling
  readonly classes: number
  readonly clipsPerRun: number
  readonly runsPerStep: number
  /** The other ranks, and what this one runs; default: none. */
  readonly share?: RankBatches & { readonly ranks: Ranks }
  /** See `PreparedFinetuning`. */
  readonly reader?: ClipReader
  /** Idle decoding processes of earlier calls, and where those of these go in the end. Default: they end with the loader. */
  readonly processes?: IdleProcesses
}

/** A classifier would never predict a class of which no training video can be read. */
export function unreadableClasses(labels: readonly string[], reason: string): VideoMaeError {
  return new VideoMaeError(
    `Expected readable training videos of every class, but none of ${labels.join(', ')} can be read: ${reason}`,
    {
      code: 'VIDEO_UNREADABLE',
      exit: 'data',
      hint: 'Repair or replace these files; `videomae inspect` names all of them.',
    },
  )
}

/**
 * Clips, targets and dropped paths, batch by batch.
 *
 * `next` throws VideoMaeError `VIDEO_UNREADABLE` once all videos of a class are known to be unreadable.
 */
export function openFinetuneData(options: FinetuneDataOptions): TrainingData {
  const { videos, configuration, model, sampling, classes, clipsPerRun, runsPerStep, share } = options
  const { data, augment, seed } = configuration
  const { height, width } = frameSize(model)
  /** Reasons by the id of the video. */
  const bad = new Map(options.knownBad.map(({ id, reason }) => [id, reason]))
  const loader = createLoader({
    entries: videos,
    sampling: trainingSampling(sampling, model.frames),
    size: frameSize(model),
    crop: { kind: 'random-resized', area: augment.area, aspect: augment.aspect, flip: augment.flip ? 0.5 : 0 },
    augment: {
      randAugment: augment.randAugment,
      erasing: augment.erasing === 0 ? null : { probability: augment.erasing, mean: model.mean, std: model.std },
    },
    samplesPerClip: data.samplesPerClip,
    batchSize: clipsPerRun,
    seed,
    ...loadingOptions(data),
    ...{ reader: options.reader, processes: options.processes },
    knownBad: options.knownBad,
    onBadFile(file) {
      bad.set(file.id, file.reason)
      options.onBadFile(file)
    },
    ...(share !== undefined && { share: { ...loaderShare(share), pairs: mixes(augment) } }),
  })
  const batches = loader.batches({ startStep: options.done * runsPerStep })
  return {
    loader,
    async next() {
      const { value } = await batches.next()
      if (bad.size > 0) {
        const readable = new Set(videos.filter(({ id }) => !bad.has(id)).map(({ label }) => label))
        const lost = [...new Set(videos.map(({ label }) => label))].filter((label) => !readable.has(label))
        const first = videos.find(({ label }) => lost.includes(label))
        if (first !== undefined) {
          const error = unreadableClasses(lost, bad.get(first.id)!)
          throw share?.ranks.commonly(error) ?? error
        }
      }
      const { clips, samples, epoch, step, release } = value!
      const random = new RandomStream(seed, step, 'mix')
      const mix = drawMix({ ...augment, probability: augment.mixProbability }, height, width, random)
      mixClips(clips, samples.length, height, width, mix)
      const labels = samples.map(({ index }) => videos[index].class)
      return {
        inputs: {
          frames: clips,
          targets: mixTargets(labels, classes, augment.smoothing, mix),
          ...dropInputs(samples, options),
        },
        epoch,
        clips: samples.length,
        files: samples.map((sample) => sample.entry.path),
        release,
      }
    },
  }
}

/** `dropPath` [2 * depth, B] and `dropout` [B, D], where their rates are not 0. */
function dropInputs(
  samples: readonly LoadedSample[],
  { configuration, model }: Pick<FinetuneDataOptions, 'configuration' | 'model'>,
): RunInputs {
  const { seed, regularization, data } = configuration
  const { depth, width } = model.encoder
  const streamOf = (purpose: string) => (b: number) => {
    const { epoch, index, copy } = samples[b]
    return new RandomStream(seed, epoch, index * data.samplesPerClip + copy, purpose)
  }
  const { dropPath, dropout } = regularization
  return {
    ...(dropsPaths(depth, dropPath)
      ? { dropPath: dropPathFactors(depth, dropPath, samples.length, streamOf('drop path')) }
      : {}),
    ...(dropout > 0 ? { dropout: dropoutFactors(width, dropout, samples.length, streamOf('dropout')) } : {}),
  }
}

/** The list of videos, repeated until it fills a run, and how often it was. */
export function enoughVideos(
  videos: readonly LabeledVideo[],
  needed: number,
): { readonly videos: readonly LabeledVideo[]; readonly passes: number } {
  const passes = Math.max(1, Math.ceil(needed / videos.length))
  return { videos: Array.from({ length: passes }, () => videos).flat(), passes }
}
