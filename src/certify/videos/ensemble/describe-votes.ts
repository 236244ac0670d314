/** The description next to an exported ensemble: how its input is made, what its votes are, and what they are counted for. */
import type { ExportInput } from '../../../export/check.ts'
import { modelName } from '../../../export/model-name.ts'
import { describeExport, type OnnxSidecar, type SidecarTensor } from '../../../export/sidecar.ts'
import type { ClipOfFile } from '../../../export/sidecar-clip.ts'
import { frameInput } from '../../../export/tensors.ts'
import type { OnnxModel } from '../../../format/onnx.ts'
import { sha256 } from '../../ensemble/hash.ts'
import type { FeatureSource } from '../feature-source.ts'
import type { EnsembleDescription, EnsembleEncoder } from './description.ts'
import type { StoredEnsemble } from './ensemble-file.ts'
import { voteNames } from './votes-graph.ts'

/** @param onnx the model that is written */
export function describeVotes(
  source: FeatureSource,
  { description, digest, heads }: StoredEnsemble & { readonly digest: string },
  input: ExportInput | 'pooled',
  onnx: OnnxModel,
): Omit<OnnxSidecar, 'files'> {
  const { features, classNames, rules, partitions, spread, offsets, threat, warnings } = description
  const [encoder, ...others] = features.encoders
  const { testClips: clips = 1 } = features
  const each = clips === 1 || input === 'pooled' ? 'clip' : 'video'
  const name = source.kind === 'encoder' ? modelName(source.path) : source.name
  return describeExport({
    task: 'certified-votes',
    model: {
      name: others.length === 0 ? name : `${features.encoders.length} encoders of groups`,
      digest: digestOfEncoders(description),
    },
    onnx,
    tensors: {
      ...(input === 'pooled' ? featureInput(source, clips) : frameInput(input)),
      [voteNames.scores]: {
        axes: [each, 'learner', 'class'],
        values: 'scores of each base classifier; classes in the order of labels',
      },
      [voteNames.votes]: {
        axes: [each, 'learner'],
        values: `index in labels of the class that each base classifier votes for; ${heads.classes}: it abstains`,
      },
    },
    labels: classNames,
    clip: clipOf(source, encoder, input, clips),
    readout: readoutName(source),
    ensemble: { digest, rules, partitions, spread, offsets, learners: heads.learners, threat, warnings },
  })
}

/** Of the one encoder, or SHA-256 of the digests of all groups, one in each line. */
export function digestOfEncoders({ features: { encoders } }: EnsembleDescription): string {
  return encoders.length === 1 ? encoders[0].digest : sha256(encoders.map(({ digest }) => digest).join('\n'))
}

const readoutName = (source: FeatureSource): string | null => ('readout' in source ? source.readout : null)

function featureInput(source: FeatureSource, clips: number): Record<string, Pick<SidecarTensor, 'axes' | 'values'>> {
  const values =
    source.kind === 'pixels' && source.readout === null
      ? 'normalized pixels of a clip in the order frame, row, column, channel, see clip.pixels'
      : `features of the clip by the readout ${readoutName(source)}, as \`videomae ${source.kind === 'pixels' ? 'certify' : 'features'}\` computes them with the model whose digest is above`
  const ofVideo = clips === 1 ? '' : `; of a video: the mean over ${clips} clips, see clip.sampling.views`
  return { [voteNames.pooled]: { axes: ['clip', 'value'], values: `${values}${ofVideo}` } }
}

function togetherOf(clips: number, input: ExportInput | 'pooled'): string {
  if (clips === 1) return 'These base classifiers take one view, the middle.'
  const order = input === 'pooled' ? '' : ' The clips of a video follow each other in the batch.'
  return `These base classifiers take the mean of the features of ${clips} views.${order}`
}

/** Colors from -1 to 1. */
const half = [0.5, 0.5, 0.5]

function clipOf(
  source: FeatureSource,
  { frames, size, sampling }: EnsembleEncoder,
  input: ExportInput | 'pooled',
  clips: number,
): ClipOfFile | null {
  const clip = { frames, size, sampling, mean: half, std: half, together: togetherOf(clips, input) }
  if (input === 'pooled')
    return source.kind === 'pixels' && source.readout === null ? { ...clip, input: 'float32' } : null
  if (source.kind === 'pixels' || source.kind === 'patches') return { ...clip, input }
  const { mean, std } = source.source.configuration
  return { ...clip, input, mean, std }
}
