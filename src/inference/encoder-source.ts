import { VideoMaeError } from '../core/errors.ts'
import type { Program } from '../graph/program.ts'
import type { ModelConfiguration } from '../model/configuration.ts'
import { encoderDigest } from '../model/digest.ts'
import { buildEncodeProgram } from '../model/encode-program.ts'
import { initialise } from '../model/initialise.ts'
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

/** An encoder that has learned nothing. */
export function freshEncoder(configuration: ModelConfiguration, sampling: TestSampling, seed: number): EncoderSource {
  const state = initialise(parameterShapes(configuration, 'encoder'), seed, 'finetune')
  return { configuration, kind: 'encoder', state, sampling, from: 'scratch', warnings: [] }
}

/**
 * What is kept of a clip.
 *
 * - `pooled`: the mean over tokens behind the encoder's last norm, [D].
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

export function featureProgram(source: EncoderSource, kind: FeatureKind, batch: number): FeatureProgram {
  const modelKind: ModelKind = kind === 'classifier' ? 'classify' : source.kind === 'classify' ? 'classify' : 'encoder'
  const configuration = kind === 'classifier' ? { ...source.configuration, useMeanPooling: true } : source.configuration
  const program = buildEncodeProgram({ configuration, kind: modelKind, batch })
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
