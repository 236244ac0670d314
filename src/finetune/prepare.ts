import { invalidArgument } from '../core/errors.ts'
import { copyWarnings } from '../dataset/copies.ts'
import { type DatasetOptions, type LabeledDataset, type LabeledVideo, openDataset } from '../dataset/dataset.ts'
import { type Split, splitDataset, splitWarnings } from '../dataset/split.ts'
import { partOf } from '../dataset/split-part.ts'
import { type EncoderWeights, freshEncoder, readEncoder } from '../inference/encoder-source.ts'
import { encoderWarnings } from '../inference/trained-on.ts'
import type { TestSampling } from '../inference/views.ts'
import { withPositionsFor } from '../model/positions.ts'
import { clipTiming, defaultTiming } from '../train/clip-timing.ts'
import { modelConfiguration } from '../train/model-section.ts'
import { checkpointLocation } from '../train/open-checkpoint.ts'
import { trainingUse } from '../train/training-use.ts'
import { listsBeside } from '../video/lists-beside.ts'
import type { ClipReader } from '../video/pool.ts'
import { type FinetuneConfiguration, finetuneConfiguration } from './configuration.ts'

/** Everything that is looked up before a fine-tuning run begins. */
export interface PreparedFinetuning {
  readonly dataset: LabeledDataset
  readonly split: Split
  /** Where it starts, with the frames, resolution and sampling that the run asks for. */
  readonly source: EncoderWeights
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /** What training clips (not validation clips) come from instead of decoding processes. */
  readonly reader?: ClipReader
}

/**
 * Opens the data and the encoder of a run.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, and what `openDataset`, `splitDataset` and `readEncoder` throw
 */
export async function prepareFinetuning(
  configuration: FinetuneConfiguration,
  options: Pick<DatasetOptions, 'signal' | 'onProgress'> = {},
): Promise<PreparedFinetuning> {
  const { data, seed } = configuration
  if (data.path === null) throw invalidArgument('data.path', 'a folder per class or a list of labeled videos', null)
  const source = await openSource(configuration)
  const dataset = await openDataset(data.path, { ...options, ignoreSplit: !data.official })
  const split = splitDataset(dataset.videos, dataset.classes, { ...data, seed })
  const warnings = [
    ...source.warnings,
    ...(typeof data.path === 'string' ? [data.path] : data.path).flatMap(listsBeside),
    ...dataset.sources.flatMap((reading) => reading.warnings),
    ...splitWarnings(split),
    ...unusedShares(data, dataset.videos),
    ...(await startWarnings(configuration, split)),
  ]
  warnings.push(...copyWarnings(dataset.videos, 'a seeded split keeps copies on one side'))
  for (const { id, reason } of dataset.unreadable.slice(0, 10)) warnings.push(`${id} cannot be read: ${reason}`)
  if (dataset.unreadable.length > 10) warnings.push(`${dataset.unreadable.length - 10} more files cannot be read.`)
  return { dataset, split, source, warnings }
}

/** Shares that are asked for and that the split column leaves nothing to. */
function unusedShares(data: FinetuneConfiguration['data'], videos: readonly LabeledVideo[]): string[] {
  if (!data.official || videos.every((video) => video.split === undefined)) return []
  const usual = finetuneConfiguration().data
  const shares = [
    ...(data.test === usual.test ? [] : ['data.test']),
    // Without validation videos in the column, a share of the training videos is taken.
    ...(data.validation === usual.validation || videos.every((video) => partOf(video) !== 'validation')
      ? []
      : ['data.validation']),
  ]
  if (shares.length === 0) return []
  return [
    `${shares.join(' and ')} ${shares.length === 1 ? 'has' : 'have'} no effect: the split column of the data decides (data.official).`,
  ]
}

async function startWarnings({ model: { from } }: FinetuneConfiguration, split: Split): Promise<string[]> {
  if (from === null || from === 'scratch') return []
  return encoderWarnings(from, await trainingUse(await checkpointLocation(from)), split)
}

/** The encoder that `model` and `clip` describe. */
export async function openSource({ model, clip, seed }: FinetuneConfiguration): Promise<EncoderWeights> {
  const { from, like, ...sizes } = model
  if (from === null) {
    throw invalidArgument(
      'model.from',
      'a checkpoint, a Hugging Face directory or "scratch"',
      null,
      'Name it with --from.',
    )
  }
  if (like !== null && from !== 'scratch')
    throw invalidArgument('model.like', 'null unless model.from is "scratch"', like, '"model.from" has its own sizes.')
  const opened = from === 'scratch' ? (like === null ? null : await readEncoder(like)) : await readEncoder(from)
  const found: TestSampling = opened?.sampling ?? { kind: 'dense', ...defaultTiming }
  const sampling = { kind: clip.sampling ?? found.kind, ...clipTiming(clip, found) }
  const section = { ...sizes, from: opened === null ? null : (like ?? from) }
  const configuration = modelConfiguration(section, opened?.configuration ?? null)
  if (from === 'scratch') return freshEncoder({ ...configuration, positionGrid: null }, sampling, seed)
  const state = withPositionsFor(opened!.state, opened!.configuration, configuration)
  return { ...opened!, configuration, state, sampling }
}
