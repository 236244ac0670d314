import { createHash } from 'node:crypto'
import { invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import type { Program } from '../graph/program.ts'
import type { ModelConfiguration } from '../model/configuration.ts'
import { encoderDigest } from '../model/digest.ts'
import { buildEncodeProgram, buildPatchProgram, type PatchGeometry } from '../model/encode-program.ts'
import { initialize } from '../model/initialize.ts'
import type { ModelState } from '../model/model-state.ts'
import type { ModelKind } from '../model/parameters.ts'
import { parameterCount, parameterShapes } from '../model/parameters.ts'
import { openCheckpoint } from '../train/open-checkpoint.ts'
import { readSampling } from './classifier.ts'
import type { TestSampling } from './views.ts'

/** The weights of an encoder: where a classifier starts, or features come from. */
export interface EncoderWeights {
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly state: ModelState
  readonly sampling: TestSampling
  /** What it was opened from; `scratch` for fresh weights. */
  readonly from: string
  readonly warnings: readonly string[]
}

/**
 * Reads the encoder of a checkpoint, a run folder or a Hugging Face directory, of whatever kind.
 *
 * @throws VideoMaeError as `openCheckpoint`
 */
export async function readEncoder(from: string): Promise<EncoderWeights> {
  const { configuration, kind, state, path, clip, warnings } = await openCheckpoint(from)
  return { configuration, kind, state, from, warnings, sampling: await readSampling(path, clip) }
}

/** The patches of clips as tokens: a fixed function that no data took part in. */
export interface PatchSource {
  readonly configuration: PatchGeometry & Pick<ModelConfiguration, 'resize'>
  readonly kind: 'pixels'
  readonly state: ModelState
  readonly sampling: TestSampling
  readonly from: string
  readonly warnings: readonly string[]
}

/** What tokens of a clip come from. */
export type TokenSource = EncoderWeights | PatchSource

/** Patches as large as those of the recipe `laptop-pretrain`: tokens of 2 x 8 x 8 x 3 values, 4 x 6 x 6 of them. */
export function patchSource(sampling: TestSampling): PatchSource {
  const configuration = { frames: 8, imageSize: [48, 48] as const, channels: 3, patch: 8, tubelet: 2 }
  return { configuration, kind: 'pixels', state: new Map(), sampling, from: 'pixels', warnings: [] }
}

/** An encoder that has learned nothing. Its weights are drawn when they are first asked for: a run that is refused needs none. */
export function freshEncoder(configuration: ModelConfiguration, sampling: TestSampling, seed: number): EncoderWeights {
  let drawn: ModelState | undefined
  return {
    ...{ configuration, kind: 'encoder', sampling, from: 'scratch', warnings: [] },
    get state() {
      drawn ??= initialize(parameterShapes(configuration, 'encoder'), seed, 'finetune')
      return drawn
    },
  }
}

/** Bytes of the weights of a source; fresh ones are not drawn for it. */
export function bytesOfWeights(source: TokenSource): number {
  if (source.kind === 'encoder' && source.from === 'scratch')
    return 4 * parameterCount(parameterShapes(source.configuration, 'encoder'))
  return [...source.state.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/**
 * What is kept of a clip.
 *
 * - `pooled`: what the readout has of the tokens behind the encoder's last norm: their mean [D], or see `readTokens`.
 * - `tokens`: the tokens themselves, [N, D]; what an attentive head reads.
 * - `classifier`: the norm of the mean over tokens, [D]; what the last layer of VideoMAE's classifier reads, so a linear
 *   head on it makes a model in the standard layout. The norm is that of a classifier; of a pretrained model, a plain one.
 */
export const featureKinds = ['pooled', 'tokens', 'classifier'] as const
export type FeatureKind = (typeof featureKinds)[number]

/** The program of a kind of features, without weights. */
export interface FeatureProgramPlan {
  readonly program: Program
  readonly output: 'pooled' | 'tokens'
  /** Values of all weights that it reads. */
  readonly parameters: number
  /** Shape of the features of one clip. */
  readonly shape: readonly number[]
}

/** The program of a kind of features, the output that has them, and the weights it reads. */
export interface FeatureProgram extends FeatureProgramPlan {
  readonly state: ModelState
  /** SHA-256 of the function that they make; see `encoderDigest`. */
  readonly digest: string
}

/**
 * @param readout of kind `pooled`; the others have none but `mean`
 * @throws VideoMaeError `INVALID_ARGUMENT`, `READOUT_UNKNOWN`, `READOUT_UNFIT`, `PARAMETER_MISSING`
 */
export function featureProgram(
  source: TokenSource,
  kind: FeatureKind,
  batch: number,
  readout = 'mean',
): FeatureProgram {
  const plan = planFeatureProgram(source, kind, batch, readout)
  if (source.kind === 'pixels') return { ...plan, state: source.state, digest: patchDigest(source) }
  const { configuration, modelKind } = modelOf(source, kind)
  const state = weightsFor(plan.program, source)
  return { ...plan, state, digest: encoderDigest(configuration, modelKind, state) }
}

/**
 * `featureProgram` without reading weights or taking their digest: for sizes and for memory.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `READOUT_UNKNOWN`, `READOUT_UNFIT`
 */
export function planFeatureProgram(
  source: TokenSource,
  kind: FeatureKind,
  batch: number,
  readout = 'mean',
): FeatureProgramPlan {
  if (readout !== 'mean' && kind !== 'pooled') {
    throw unusedArgument('readout', `with features of kind ${kind}`, readout)
  }
  if (source.kind === 'pixels' && kind === 'classifier')
    throw invalidArgument('kind', 'pooled or tokens for pixels', kind)
  const program =
    source.kind === 'pixels'
      ? buildPatchProgram(source.configuration, batch, readout)
      : encodeProgram(source, kind, batch, readout)
  const output = kind === 'tokens' ? 'tokens' : 'pooled'
  const wanted = program.outputs.filter(({ name }) => name === output)
  return {
    program: { ...program, outputs: wanted },
    output,
    parameters: program.state.reduce((sum, { tensor }) => sum + sizeOf(program, tensor), 0),
    shape: program.tensors[wanted[0].tensor].shape.slice(1),
  }
}

function encodeProgram(source: EncoderWeights, kind: FeatureKind, batch: number, readout: string): Program {
  const { configuration, modelKind } = modelOf(source, kind)
  return buildEncodeProgram({ configuration, kind: modelKind, batch, readout })
}

function modelOf(source: EncoderWeights, kind: FeatureKind) {
  const modelKind: ModelKind = kind === 'classifier' || source.kind === 'classify' ? 'classify' : 'encoder'
  const configuration = kind === 'classifier' ? { ...source.configuration, useMeanPooling: true } : source.configuration
  return { configuration, modelKind }
}

function patchDigest({ configuration }: PatchSource): string {
  const { imageSize, channels, frames, patch, tubelet } = configuration
  const digest = createHash('sha256').update(JSON.stringify(['pixels', imageSize, channels, frames, patch, tubelet]))
  return digest.digest('hex')
}

const sizeOf = ({ tensors }: Program, tensor: number): number => tensors[tensor].shape.reduce((a, b) => a * b, 1)

function weightsFor(program: Program, source: EncoderWeights): ModelState {
  return new Map(
    program.state.map(({ name, tensor }) => {
      const known = source.state.get(name)
      if (known !== undefined) return [name, known]
      const size = sizeOf(program, tensor)
      if (name === 'fc_norm.weight') return [name, new Float32Array(size).fill(1)]
      if (name === 'fc_norm.bias') return [name, new Float32Array(size)]
      throw new VideoMaeError(`Expected the parameter ${name} in ${source.from}, but it is missing.`, {
        code: 'PARAMETER_MISSING',
        exit: 'data',
      })
    }),
  )
}
