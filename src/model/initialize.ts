import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import { elementCount } from '../graph/program.ts'
import type { ParameterShapes } from './model-state.ts'

/**
 * How weights start. `pretrain`: Xavier-uniform matrices, as the original pretraining. `finetune`: normal matrices of
 * deviation 0.02, the last layer times 0.001, as the original fine-tuning where no pretrained weights are loaded.
 */
export type InitializationScheme = 'pretrain' | 'finetune'

/** What LayerScale starts at (`init_values` of BEiT-B). */
const scaleStart = 0.1
/** Deviation of normal weights and of tokens. */
const deviation = 0.02
/** The last layer of a classifier starts this much smaller, so that fine-tuning begins near uniform answers. */
const headScale = 0.001

/**
 * Fresh values for parameters. Each depends on (seed, its name) alone, never on other parameters or their order.
 *
 * | parameter | pretrain | finetune |
 * |---|---|---|
 * | matrices of encoder, decoder, probe | uniform, bound sqrt(6 / (in + out)) (Glorot & Bengio 2010) | normal 0.02 |
 * | `encoder.patch_embed.proj` weight, bias | uniform, bound 1 / sqrt(in) | same |
 * | `encoder_to_decoder.weight` | uniform, bound 1 / sqrt(in) | - |
 * | `mask_token` | normal 0.02, cut at one deviation | - |
 * | `head.weight` | normal 0.02, times 0.001 | same |
 * | `encoder.pos_embed` | normal 0.02, cut at one deviation | normal 0.02 |
 * | LayerScale `gamma_1`, `gamma_2` | 0.1 | 0.1 |
 * | norm weights | 1 | 1 |
 * | all biases | 0 | 0 |
 *
 * The fused qkv counts as one matrix of 3D outputs. The two uniform rows are what the original leaves at PyTorch's
 * defaults.
 *
 * @throws VideoMaeError `PARAMETER_UNKNOWN` for a name that no model here has
 */
export function initialize(
  shapes: ParameterShapes,
  seed: number,
  scheme: InitializationScheme = 'pretrain',
): Map<string, Float32Array> {
  return new Map([...shapes].map(([name, shape]) => [name, initialValue(name, shape, shapes, seed, scheme)]))
}

function initialValue(
  name: string,
  shape: readonly number[],
  shapes: ParameterShapes,
  seed: number,
  scheme: InitializationScheme,
): Float32Array {
  const values = new Float32Array(elementCount(shape))
  // Another name of the stream would give other weights for the same seed.
  const stream = new RandomStream(seed, 'initialise', name)
  const fill = (draw: () => number) => {
    for (let i = 0; i < values.length; i++) values[i] = draw()
    return values
  }
  const uniform = (bound: number) => fill(() => stream.uniform(-bound, bound))

  if (name.startsWith('encoder.patch_embed.proj.')) {
    const weight = shapes.get('encoder.patch_embed.proj.weight') ?? shape
    return uniform(1 / Math.sqrt(weight[weight.length - 1]))
  }
  if (name === 'encoder_to_decoder.weight') return uniform(1 / Math.sqrt(shape[1]))
  if (name === 'mask_token') return fill(() => deviation * truncatedNormal(stream, 1))
  if (name === 'encoder.pos_embed' && scheme === 'pretrain') return fill(() => deviation * truncatedNormal(stream, 1))
  if (name === 'encoder.pos_embed') return fill(() => deviation * stream.normal())
  if (/\.gamma_[12]$/.test(name)) return values.fill(scaleStart)
  if (name === 'probe.query') return fill(() => deviation * truncatedNormal(stream, 2))
  if (name === 'head.weight') return fill(() => headScale * deviation * stream.normal())
  if (shape.length === 2) {
    return scheme === 'pretrain'
      ? uniform(Math.sqrt(6 / (shape[0] + shape[1])))
      : fill(() => deviation * stream.normal())
  }
  if (/(^|[._])bias$/.test(name)) return values
  if (/norm\d?\.weight$/.test(name)) return values.fill(1)
  throw new VideoMaeError(`Expected the name of a model's parameter but received ${name} [${shape.join(', ')}].`, {
    code: 'PARAMETER_UNKNOWN',
  })
}

/** Standard normal, redrawn until within `limit` deviations. */
function truncatedNormal(stream: RandomStream, limit: number): number {
  for (;;) {
    const value = stream.normal()
    if (Math.abs(value) <= limit) return value
  }
}
