import { createHash } from 'node:crypto'
import { invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import type { Program } from '../graph/program.ts'
import type { ModelConfiguration } from '../model/configuration.ts'
import { encoderDigest } from '../model/digest.ts'
import { buildEncodeProgram, buildPatchProgram, type PatchGeometry } from '../model/encode-program.ts'
import { initialize } from '../model/initialize.ts'
import type { ModelState } from '../model/model-state.ts'
import type { ModelKind } from '../model/parameters.ts'
import { parameterShapes } from '../model/parameters.ts'
import { openCheckpoint } from '../train/open-checkpoint.ts'
import { readSampling } from './classifier.ts'
import type { TestSampling } from './views.ts'

/** Where a classifier starts, or features come from. */
export interface EncoderSource {
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly state: ModelState
  readonly sampling: TestSampling
  /** What it was opened from; `scratch` for fresh weights. */
  readonly from: string
  readonly warnings: readonly string[]
}

/**
 * Opens a checkpoint, a run folder or a Hugging Face directory, of whatever kind.
 *
 * @throws VideoMaeError as `openCheckpoint`
 */
export async function openEncoder(from: string): Promise<EncoderSource> {
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
export type TokenSource = EncoderSource | PatchSource

/** Patches as large as those of the recipe `laptop-pretrain`: tokens of 2 x 8 x 8 x 3 values, 4 x 6 x 6 of them. */
export function patchSource(sampling: TestSampling): PatchSource {
  const configuration = { frames: 8, imageSize: [48, 48] as const, channels: 3, patch: 8, tubelet: 2 }
  return { configuration, kind: 'pixels', state: new Map(), sampling, from: 'pixels', warnings: [] }
}

/** An encoder that has learned nothing. */
export function freshEncoder(configuration: ModelConfiguration, sampling: TestSampling, seed: number): EncoderSource {
  const state = initialize(parameterShapes(configuration, 'encoder'), seed, 'finetune')
  return { configuration, kind: 'encoder', state, sampling, from: 'scratch', warnings: [] }
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

/** The program of a kind of features, the output that has them, and the weights it reads. */
export interface FeatureProgram {
  readonly program: Program
  readonly output: 'pooled' | 'tokens'
  readonly state: ModelState
  /** SHA-256 of the function that they make; see `encoderDigest`. */
  readonly digest: string
  /** Shape of the features of one clip. */
  readonly shape: readonly number[]
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
  if (readout !== 'mean' && kind !== 'pooled') {
    throw unusedArgument('readout', `with features of kind ${kind}`, readout)
  }
  if (source.kind === 'pixels') return patchFeatures(source, kind, batch, readout)
  const modelKind: ModelKind = kind === 'classifier' ? 'classify' : source.kind === 'classify' ? 'classify' : 'encoder'
  const configuration = kind === 'classifier' ? { ...source.configuration, useMeanPooling: true } : source.configuration
  const program = buildEncodeProgram({ configuration, kind: modelKind, batch, readout })
  const output = kind === 'tokens' ? 'tokens' : 'pooled'
  const wanted = program.outputs.filter(({ name }) => name === output)
  const state = weightsFor(program, source)
  return {
    program: { ...program, outputs: wanted },
    output,
    state,
    digest: encoderDigest(configuration, modelKind, state),
    shape: program.tensors[wanted[0].tensor].shape.slice(1),
  }
}

function patchFeatures(
  { configuration, state }: PatchSource,
  kind: FeatureKind,
  batch: number,
  readout: string,
): FeatureProgram {
  if (kind === 'classifier') throw invalidArgument('kind', 'pooled or tokens for pixels', kind)
  const program = buildPatchProgram(configuration, batch, readout)
  const wanted = program.outputs.filter(({ name }) => name === kind)
  const { imageSize, channels, frames, patch, tubelet } = configuration
  const digest = createHash('sha256').update(JSON.stringify(['pixels', imageSize, channels, frames, patch, tubelet]))
  return {
    program: { ...program, outputs: wanted },
    output: kind,
    state,
    digest: digest.digest('hex'),
    shape: program.tensors[wanted[0].tensor].shape.slice(1),
  }
}

function weightsFor(program: Program, source: EncoderSource): ModelState {
  return new Map(
    program.state.map(({ name, tensor }) => {
      const known = source.state.get(name)
      if (known !== undefined) return [name, known]
      const size = program.tensors[tensor].shape.reduce((a, b) => a * b, 1)
      if (name === 'fc_norm.weight') return [name, new Float32Array(size).fill(1)]
      if (name === 'fc_norm.bias') return [name, new Float32Array(size)]
      throw new VideoMaeError(`Expected the parameter ${name} in ${source.from}, which has none.`, {
        code: 'PARAMETER_MISSING',
        exit: 'data',
      })
    }),
  )
}
