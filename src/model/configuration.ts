import { invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import { type FrameSize, largestResize, type Resize } from '../core/frame-size.ts'
import { type TokenGrid, tokenCount } from '../mask/grid.ts'
import { isUsableMean, isUsableStd, meanExpected, stdExpected } from './pixel-range.ts'

/** Size of a stack of transformer blocks. */
export interface TransformerSize {
  /** Width of a token. */
  readonly width: number
  /** Blocks. */
  readonly depth: number
  /** Attention heads; a divisor of the width. */
  readonly heads: number
  /** Width of the hidden layer of a block's MLP. */
  readonly mlpWidth: number
  /** LayerScale (Touvron et al. 2021, CaiT): each branch of a block is multiplied by a learned vector. Absent: it is not. */
  readonly layerScale?: true
}

/**
 * `flattened`: sine-cosine over the flattened token index, as the original and Python's transformers compute it.
 * `factored`: a third of the channels for each of time, row and column, with wavelengths from 2 positions to twice the
 * axis. Small models on small grids learn far sooner with it (dev/log.md); only this package computes it.
 * `learned`: the encoder's table is a parameter, `encoder.pos_embed` [N, D] (VideoMAE's `use_learnable_pos_emb`); the decoder's
 * is `flattened`.
 */
export const positionKinds = ['flattened', 'factored', 'learned'] as const
/** Name of how positions are encoded. */
export type PositionKind = (typeof positionKinds)[number]

/** Everything that shapes a model. Plain data: the same object describes pretraining, encoder and classifier. */
export interface ModelConfiguration {
  /** Height and width of a frame, pixels. */
  readonly imageSize: readonly [number, number]
  /** Channels of a pixel. */
  readonly channels: number
  /** How a picture is scaled before a frame is cut out of its middle. Absent: until it just covers the frame. */
  readonly resize?: Resize
  /** Frames of a clip. */
  readonly frames: number
  /** Side of a patch, pixels. */
  readonly patch: number
  /** Frames of a patch. */
  readonly tubelet: number
  /** Sizes of the encoder. */
  readonly encoder: TransformerSize
  /** Sizes of the decoder. */
  readonly decoder: TransformerSize
  /** Absent: queries and values have biases. False: they have none (`qkv_bias`). */
  readonly attentionBias?: false
  /** Epsilon of the norms inside the blocks and of the encoder's last norm. */
  readonly layerNormEpsilon: number
  /** Epsilon of the decoder's last norm and of the classifier's norm (`fc_norm`). */
  readonly headNormEpsilon: number
  /** Per channel, on pixels in [0, 1]. */
  readonly mean: readonly number[]
  /** [channels] what pixels on [0, 1] are divided by, after `mean` is subtracted. */
  readonly std: readonly number[]
  /** Whether pretraining predicts pixels normalized per patch and channel, or plain pixels. */
  readonly normalizeTargets: boolean
  /** Whether a norm follows the encoder's blocks in pretraining and in the plain encoder. */
  readonly encoderNorm: boolean
  /** Classifier: true reads the mean of all tokens through `fc_norm`; false reads token 0 behind the encoder norm. */
  readonly useMeanPooling: boolean
  /** Where position tables come from; see `positions.ts`. */
  readonly positions: PositionKind
  /**
   * Null: the position table is computed for the model's own grid. Otherwise it is computed for this grid and
   * interpolated to the model's, which keeps the geometry that a model trained at this grid has learned.
   */
  readonly positionGrid: TokenGrid | null
}

/** Width, depth and heads of an encoder or decoder. */
export interface TransformerOptions {
  /** Values of a token. */
  readonly width: number
  /** Number of blocks. */
  readonly depth: number
  /** Number of attention heads; divides the width. */
  readonly heads: number
  /** Default 4; not together with `mlpWidth`. */
  readonly mlpRatio?: number
  /** Hidden values of the MLP. Default: 4 times the width. */
  readonly mlpWidth?: number
  /** Default false. */
  readonly layerScale?: boolean
}

/** What `resolveConfiguration` takes: the encoder, and whatever differs from the defaults of VideoMAE. */
export interface ModelOptions {
  /** Height and width, or one number for both. Default 224. */
  readonly imageSize?: number | readonly [number, number]
  /** Default: until the picture just covers the frame. */
  readonly resize?: Resize
  /** Default 3. */
  readonly channels?: number
  /** Default 16. */
  readonly frames?: number
  /** Default 16. */
  readonly patch?: number
  /** Default 2. */
  readonly tubelet?: number
  /** Sizes of the encoder. */
  readonly encoder: TransformerOptions
  /** Default: half the encoder's width, depth 4, half its heads where that fits. */
  readonly decoder?: TransformerOptions
  /** Whether queries and values have biases. Default true. */
  readonly attentionBias?: boolean
  /** Default 1e-6. */
  readonly layerNormEpsilon?: number
  /** Default: `layerNormEpsilon`. */
  readonly headNormEpsilon?: number
  /** Default: ImageNet's for 3 channels, else 0.5. */
  readonly mean?: readonly number[]
  /** [channels] what pixels on [0, 1] are divided by, after `mean` is subtracted. Default: ImageNet's. */
  readonly std?: readonly number[]
  /** Default true. */
  readonly normalizeTargets?: boolean
  /** Default true. */
  readonly encoderNorm?: boolean
  /** Default true. */
  readonly useMeanPooling?: boolean
  /** Default `flattened`. */
  readonly positions?: PositionKind
  /** Default null. */
  readonly positionGrid?: TokenGrid | null
}

/** Mean of each color channel (red, green, blue) on [0, 1] that pixels are normalized with. */
export const imagenetMean: readonly number[] = [0.485, 0.456, 0.406]
/** Standard deviation of each color channel on [0, 1] that pixels are normalized with. */
export const imagenetStd: readonly number[] = [0.229, 0.224, 0.225]

/** The epsilon of every norm in the original VideoMAE. */
export const originalEpsilon = 1e-6

/**
 * Fills in defaults and checks.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` naming the field that does not fit
 */
export function resolveConfiguration(options: ModelOptions): ModelConfiguration {
  const size = options.imageSize ?? 224
  const channels = options.channels ?? 3
  const epsilon = options.layerNormEpsilon ?? originalEpsilon
  const encoder = resolveTransformer(options.encoder)
  return checkConfiguration({
    imageSize: typeof size === 'number' ? [size, size] : [size[0], size[1]],
    ...(options.resize === undefined ? {} : { resize: options.resize }),
    channels,
    frames: options.frames ?? 16,
    patch: options.patch ?? 16,
    tubelet: options.tubelet ?? 2,
    encoder,
    decoder: resolveTransformer(options.decoder ?? defaultDecoder(encoder)),
    ...(options.attentionBias === false ? { attentionBias: false } : {}),
    layerNormEpsilon: epsilon,
    headNormEpsilon: options.headNormEpsilon ?? epsilon,
    mean: options.mean ?? (channels === 3 ? imagenetMean : Array<number>(channels).fill(0.5)),
    std: options.std ?? (channels === 3 ? imagenetStd : Array<number>(channels).fill(0.5)),
    normalizeTargets: options.normalizeTargets ?? true,
    encoderNorm: options.encoderNorm ?? true,
    useMeanPooling: options.useMeanPooling ?? true,
    positions: options.positions ?? 'flattened',
    positionGrid: options.positionGrid ?? null,
  })
}

function resolveTransformer({
  width,
  depth,
  heads,
  mlpRatio,
  mlpWidth,
  layerScale = false,
}: TransformerOptions): TransformerSize {
  if (mlpRatio !== undefined && mlpWidth !== undefined) {
    throw unusedArgument('mlpRatio', 'together with mlpWidth', mlpRatio, 'Give one of the two.')
  }
  const size = { width, depth, heads, mlpWidth: mlpWidth ?? Math.round(width * (mlpRatio ?? 4)) }
  return layerScale ? { ...size, layerScale } : size
}

function defaultDecoder({ width, heads }: TransformerSize): TransformerOptions {
  const half = Math.floor(width / 2)
  const halfHeads = heads / 2
  const fits = Number.isInteger(halfHeads) && half % halfHeads === 0
  return { width: half, depth: 4, heads: fits ? halfHeads : half % heads === 0 ? heads : 1 }
}

function checkConfiguration(c: ModelConfiguration): ModelConfiguration {
  positive('configuration.patch', c.patch, largest.side)
  positive('configuration.tubelet', c.tubelet, largest.frames)
  positive('configuration.channels', c.channels, largest.channels)
  for (const [i, side] of ['height', 'width'].entries()) {
    multiple(`configuration.imageSize (${side})`, c.imageSize[i], c.patch, 'the patch size', largest.side)
  }
  multiple('configuration.frames', c.frames, c.tubelet, 'the tubelet size', largest.frames)
  for (const [key, side] of Object.entries(c.resize ?? {})) positive(`configuration.resize.${key}`, side, largestResize)
  checkGrid('configuration.imageSize, frames, patch and tubelet', tokenGrid(c))
  const clip = c.frames * c.imageSize[0] * c.imageSize[1] * c.channels
  if (clip > largest.clip) {
    throw invalidArgument('configuration.imageSize and frames', `clips of at most ${largest.clip} bytes`, clip)
  }
  for (const part of ['encoder', 'decoder'] as const) {
    const { width, depth, heads, mlpWidth } = c[part]
    positive(`configuration.${part}.width`, width, largest.width)
    positive(`configuration.${part}.depth`, depth, largest.depth)
    positive(`configuration.${part}.heads`, heads, largest.width)
    positive(`configuration.${part}.mlpWidth`, mlpWidth, largest.mlpWidth)
    if (width % heads !== 0) {
      throw invalidArgument(`configuration.${part}.heads`, `a divisor of the width ${width}`, heads)
    }
    if (width % 2 !== 0) throw invalidArgument(`configuration.${part}.width`, 'an even number', width)
  }
  for (const field of ['layerNormEpsilon', 'headNormEpsilon'] as const) {
    if (!(c[field] > 0 && c[field] < 1)) {
      throw invalidArgument(`configuration.${field}`, 'a number between 0 and 1', c[field])
    }
  }
  perChannel('configuration.mean', c.mean, c.channels, isUsableMean, meanExpected)
  perChannel('configuration.std', c.std, c.channels, isUsableStd, stdExpected)
  if (c.normalizeTargets && c.tubelet * c.patch * c.patch < 2) {
    throw invalidArgument('configuration.patch', 'patches of several pixels, since targets are normalized', c.patch)
  }
  if (!positionKinds.includes(c.positions)) {
    throw invalidArgument('configuration.positions', `one of ${positionKinds.join(', ')}`, c.positions)
  }
  if (c.positionGrid !== null) {
    for (const axis of ['t', 'h', 'w'] as const) positive(`configuration.positionGrid.${axis}`, c.positionGrid[axis])
    checkGrid('configuration.positionGrid', c.positionGrid)
  }
  return c
}

/**
 * The largest sizes that are computed with, far above any published model. A configuration comes from a file: what it
 * asks for is allocated only where it can be meant.
 */
const largest = {
  side: 16_384,
  frames: 16_384,
  channels: 1024,
  depth: 1024,
  width: 65_536,
  mlpWidth: 1_048_576,
  /** Tokens of a clip: 128 x 128 x 16. */
  tokens: 262_144,
  /** Bytes of a clip. */
  clip: 2 ** 31,
} as const

function positive(name: string, value: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isInteger(value) || value < 1) throw invalidArgument(name, 'a positive integer', value)
  if (value > most) throw invalidArgument(name, `at most ${most}`, value)
}

/** Positions are tabulated for every token of a grid, and clips are held as bytes. */
function checkGrid(name: string, { t, h, w }: TokenGrid): void {
  const tokens = t * h * w
  if (tokens > largest.tokens) {
    throw invalidArgument(name, `at most ${largest.tokens} tokens`, `${t} x ${h} x ${w} = ${tokens}`)
  }
}

function multiple(name: string, value: number, of: number, what: string, most: number): void {
  positive(name, value, most)
  if (value % of !== 0) throw invalidArgument(name, `a multiple of ${what} ${of}`, value)
}

function perChannel(
  name: string,
  values: readonly number[],
  channels: number,
  ok: (x: number) => boolean,
  what: string,
): void {
  if (values.length !== channels || !values.every(ok)) {
    throw invalidArgument(name, `${channels} ${what}, one per channel`, `[${values.join(', ')}]`)
  }
}

/**
 * What videos are decoded to for a model.
 *
 * @throws VideoMaeError `MODEL_UNSUPPORTED` for one that does not take the three colors of a video
 */
export function frameSize({
  imageSize: [height, width],
  resize,
  channels,
}: Pick<ModelConfiguration, 'imageSize' | 'resize' | 'channels'>): FrameSize {
  if (channels !== 3) {
    throw new VideoMaeError(`Expected a model of RGB frames, but this one takes ${channels} channels.`, {
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      hint: 'Videos are decoded to RGB. Build the input yourself and run the model with the library.',
    })
  }
  return resize === undefined ? { height, width } : { height, width, resize }
}

/** The token grid of a model. */
export function tokenGrid(c: Pick<ModelConfiguration, 'frames' | 'tubelet' | 'imageSize' | 'patch'>): TokenGrid {
  return { t: c.frames / c.tubelet, h: c.imageSize[0] / c.patch, w: c.imageSize[1] / c.patch }
}

/** Tokens of a whole clip. */
export function tokensPerClip(c: ModelConfiguration): number {
  return tokenCount(tokenGrid(c))
}

/** Pixel values of one patch: what a token is embedded from and what the decoder predicts per token. */
export function valuesPerPatch(c: ModelConfiguration): number {
  return c.channels * c.tubelet * c.patch * c.patch
}

/** Shape of a batch of clips, [B, T, H, W, C]. */
export function clipShape(c: ModelConfiguration, batch: number): readonly number[] {
  return [batch, c.frames, c.imageSize[0], c.imageSize[1], c.channels]
}
