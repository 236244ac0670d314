import { createHash } from 'node:crypto'
import type { Ranks } from '../distributed/ranks.ts'
import type { FileState } from '../format/regular-file.ts'
import { clipShape, frameSize } from '../model/configuration.ts'
import { meanPredictionLoss } from '../model/mean-loss.ts'
import type { CropChoice } from '../video/crop.ts'
import type { BadFile } from '../video/epoch-order.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { createLoader, type Loader } from '../video/loader.ts'
import type { ClipSampling } from '../video/sampling.ts'
import type { RankShare } from '../video/shared-rounds.ts'
import { listVideos } from '../video/source.ts'
import type { VideoEntry } from '../video/types.ts'
import { positionsOf } from './clip-timing.ts'
import type { RunConfiguration } from './configuration.ts'
import type { TrainingBatch } from './loop.ts'
import { type MaskInputs, maskInputs } from './pretrain-inputs.ts'
import type { RankBatches } from './rank-batches.ts'
import type { ResolvedRun } from './resolve.ts'

/**
 * The videos of all sources, one after the other. With several of them every id begins with the number of its source,
 * since names may repeat.
 *
 * @throws VideoMaeError as `listVideos`
 */
export function listSources(sources: readonly string[]): VideoEntry[] {
  return listVideos(sources)
}

/** Names the list of videos that a run visits: their names and parts in order, not where the folder is. */
export function entriesDigest(entries: readonly VideoEntry[]): string {
  const hash = createHash('sha256')
  for (const { id, start, end } of entries) hash.update(`${JSON.stringify([id, start ?? null, end ?? null])}\n`)
  return hash.digest('hex')
}

/** What a classifier learns from the videos of a run. */
export interface RunLabels {
  /** The class of each output, in order. */
  readonly classes: readonly string[]
  /** Names the labels of the videos in the order of `entriesDigest`. */
  readonly digest: string
}

/** @param entries those of `entriesDigest` */
export function runLabels(classes: readonly string[], entries: readonly { readonly label: string }[]): RunLabels {
  const hash = createHash('sha256')
  for (const { label } of entries) hash.update(`${JSON.stringify(label)}\n`)
  return { classes, digest: hash.digest('hex') }
}

export interface PretrainDataOptions {
  readonly entries: readonly VideoEntry[]
  readonly run: ResolvedRun
  /** Optimizer steps done: where the data continues. */
  readonly done: number
  readonly knownBad: readonly BadFile[]
  readonly onBadFile: (file: BadFile) => void
  /** Decoding processes; default: as the configuration says. */
  readonly workers?: number | null
  /** Idle decoding processes of earlier calls, and where those of this loader go in the end. Default: they end with it. */
  readonly processes?: IdleProcesses
  /** The other ranks, and what this one runs; default: none. */
  readonly share?: RankBatches & { readonly ranks: Ranks }
  /** Called for every file of a batch before it is handed out, with the state that it was decoded in. */
  readonly onDecoded?: (file: string, state: FileState) => void
}

/** Clips and masks, batch by batch. */
export interface PretrainData {
  readonly loader: Loader
  readonly next: () => Promise<TrainingBatch>
}

/** Starts the decoding processes; `loader.close` ends them. */
export function openPretrainData({ onDecoded, ...options }: PretrainDataOptions): PretrainData {
  const { entries, run, done, knownBad, onBadFile, share } = options
  const runsPerStep = share?.runsPerStep ?? run.runsPerStep
  const { configuration, model } = run
  const { data, clip, mask, seed } = configuration
  const loader = createLoader({
    entries,
    sampling: pretrainSampling(clip, model.frames),
    size: frameSize(model),
    crop: cropChoice(clip),
    samplesPerClip: data.samplesPerClip,
    batchSize: run.clipsPerRun,
    seed,
    workers: options.workers ?? data.workers ?? undefined,
    timeoutSeconds: data.timeoutSeconds,
    decoder: data.decoder,
    processes: options.processes,
    knownBad,
    onBadFile,
    ...(share !== undefined && { share: loaderShare(share) }),
  })
  const batches = loader.batches({ startStep: done * run.runsPerStep })
  const masks = { ...run, kind: mask.kind, ratio: mask.ratio, decoder: mask.decoder, seed }
  const clipBytes = clipShape(model, 1).reduce((size, length) => size * length)
  let runs = 0
  return {
    loader,
    async next() {
      const { value } = await batches.next()
      const { clips, samples, epoch, release } = value!
      for (const { entry, state } of samples) if (state !== undefined) onDecoded?.(entry.path, state)
      const keys = samples.map((sample) => ({
        epoch: sample.epoch,
        sample: sample.index * data.samplesPerClip + sample.copy,
      }))
      const inputs = maskInputs(keys, masks)
      // One clip a step: that takes milliseconds, next to the engine's run, and the mean over the steps is what is shown.
      // Of several ranks, the first has that clip.
      const first = runs++ % runsPerStep === 0 && (share?.ranks.rank ?? 0) === 0
      const meanLoss = first
        ? meanPredictionLoss(model, clips.subarray(0, clipBytes), ...firstMask(inputs, run.predicted))
        : Number.NaN
      return {
        inputs: { frames: clips, ...inputs },
        ...(Number.isFinite(meanLoss) && { meanLoss }),
        epoch,
        clips: samples.length,
        files: samples.map((sample) => sample.entry.path),
        release,
      }
    },
  }
}

/** The part of a run's samples that a rank loads. */
export function loaderShare({ clipsPerRun, ranks }: RankBatches & { readonly ranks: Ranks }): RankShare {
  const agree = (failures: readonly BadFile[]) => ranks.collect(failures)
  return { rank: ranks.rank, size: ranks.size, clips: clipsPerRun, agree, commonly: (error) => ranks.commonly(error) }
}

/** `masked` and `weight` of the first clip of a batch. */
function firstMask({ masked, weight }: MaskInputs, predicted: number): [Int32Array, Float32Array?] {
  const first = masked.subarray(0, predicted)
  return weight === undefined ? [first] : [first, weight.subarray(0, predicted)]
}

/** The random clip of a sample. */
export function pretrainSampling(clip: RunConfiguration['clip'], frames: number): ClipSampling {
  return { kind: 'strided', frames, ...positionsOf(clip) }
}

function cropChoice(clip: RunConfiguration['clip']): CropChoice {
  const flip = clip.flip ? 0.5 : 0
  return clip.crop === 'multi-scale'
    ? { kind: 'multi-scale', flip }
    : { kind: 'random-resized', area: clip.cropScale, flip }
}
