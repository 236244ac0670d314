import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import type { Resize } from '../core/frame-size.ts'
import { imagenetMean, imagenetStd, type ModelConfiguration } from './configuration.ts'
import { keysNamed, parseFile } from './json-keys.ts'
import { isUsableMean, isUsableStd, meanExpected, stdExpected } from './pixel-range.ts'

/** How pixels become a model's input, and how pictures are scaled to its frames. */
export interface Preprocessing {
  /** Per channel, on pixels in [0, 1]. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly resize: Resize | null
  /** What a user should know about the file, one sentence each. */
  readonly warnings: readonly string[]
}

const file = 'preprocessor_config.json'
const side = z.int().positive()
const sides = z.union([
  side,
  z.looseObject({ shortest_edge: side.optional(), height: side.optional(), width: side.optional() }),
])
const perChannel = z.union([z.number(), z.array(z.number())])

const schema = z.looseObject({
  image_processor_type: z.string().optional(),
  feature_extractor_type: z.string().optional(),
  video_processor_type: z.string().optional(),
  do_resize: z.boolean().nullish(),
  size: sides.nullish(),
  resample: z.int().nullish(),
  do_center_crop: z.boolean().nullish(),
  crop_size: sides.nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().positive().nullish(),
  offset: z.boolean().nullish(),
  rescale_offset: z.boolean().nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: perChannel.nullish(),
  image_std: perChannel.nullish(),
  do_flip_channel_order: z.boolean().nullish(),
  do_pad: z.boolean().nullish(),
  do_sample_frames: z.boolean().nullish(),
})
type File = z.output<typeof schema>

/** Keys that change nothing here: pictures are decoded to RGB, and which frames make a clip is decided elsewhere. */
const irrelevant = `
  auto_map crop_pct data_format default_to_square device disable_grouping do_convert_rgb fps
  image_seq_length input_data_format num_channels num_frames pad_size processor_class return_metadata
  return_tensors sampling_rate video_metadata _processor_class _valid_processor_keys patch_size
  tubelet_size size_divisor
`.split(/\s+/)

/** Keys that decide pixel values: another class than VideoMAE's has other defaults for them. */
const deciding = [
  'do_resize',
  'size',
  'do_center_crop',
  'do_rescale',
  'rescale_factor',
  'do_normalize',
  'image_mean',
  'image_std',
] as const

/**
 * What `preprocessor_config.json` says; null where there is none: ImageNet's mean and deviation.
 *
 * transformers computes `x = f v - o`, then `(x - m) / s`, from a byte v, with f = `rescale_factor`, o = 1 with `offset`, else 0, and
 * without `do_rescale` f = 1, without `do_normalize` m = 0, s = 1. On u = v / 255 that is `(u - (m + o) / (255 f)) / (s / (255 f))`: a
 * mean and a deviation.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming a key that does not fit, `MODEL_UNSUPPORTED` naming one that cannot be applied
 */
export function readPreprocessing(
  value: unknown,
  { imageSize, channels }: Pick<ModelConfiguration, 'imageSize' | 'channels'>,
): Preprocessing {
  const plain = (values: readonly number[]) => (channels === 3 ? values : Array<number>(channels).fill(0.5))
  if (value === null) return { mean: plain(imagenetMean), std: plain(imagenetStd), resize: null, warnings: [] }
  const p = parseFile(file, schema, value)
  const type = p.image_processor_type ?? p.video_processor_type ?? p.feature_extractor_type
  const absent = deciding.filter((key) => p[key] === undefined || p[key] === null)
  if (type !== undefined && !/^VideoMAE/.test(type) && absent.length > 0) {
    throw unsupported(
      `the file belongs to ${type}, whose defaults for ${absent.join(', ')} are unknown`,
      `Write these keys into ${file}.`,
    )
  }
  const warnings = [...otherKeys(p)]
  const resize = readResize(p, imageSize, warnings)
  return { ...readNormalization(p, channels), resize, warnings }
}

function otherKeys(p: File): string[] {
  if (p.do_flip_channel_order === true)
    throw unsupported('do_flip_channel_order is true: its model takes BGR', 'Only RGB is decoded.')
  if (p.do_pad === true) throw unsupported('do_pad is true', 'Pictures are scaled and cropped, never padded.')
  const warnings: string[] = []
  if (p.do_sample_frames === true) {
    warnings.push(
      `${file}: do_sample_frames is not applied; clip.json or the options of the command decide how clips are sampled.`,
    )
  }
  if (p.resample !== undefined && p.resample !== null && p.resample !== 2) {
    warnings.push(
      `${file}: resample ${p.resample} is not applied; pictures are scaled bilinearly with antialiasing (2).`,
    )
  }
  const unknown = keysNamed(p, [...Object.keys(schema.shape), ...irrelevant])
  if (unknown.length > 0) warnings.push(`${file}: ${unknown.join(', ')} unknown and not applied.`)
  return warnings
}

function readNormalization(p: File, channels: number): Pick<Preprocessing, 'mean' | 'std'> {
  const factor = p.do_rescale === false ? 1 : (p.rescale_factor ?? 1 / 255)
  const offset = p.offset === true || p.rescale_offset === true
  if (offset && p.do_rescale === false)
    throw unsupported('offset is true and do_rescale false', 'Set do_rescale to true, or offset to false.')
  const normalizes = p.do_normalize !== false
  const m = normalizes ? channelValues('image_mean', p.image_mean ?? 0.5, channels) : Array<number>(channels).fill(0)
  const s = normalizes ? channelValues('image_std', p.image_std ?? 0.5, channels) : Array<number>(channels).fill(1)
  if (s.some((deviation) => deviation <= 0)) throw invalid('image_std', 'positive numbers', s)
  if (!m.every(isUsableMean)) throw invalid('image_mean', meanExpected, m)
  if (!s.every(isUsableStd)) throw invalid('image_std', stdExpected, s)
  const shift = offset ? 1 : 0
  // 255 / 255 is 1 exactly, so that files with the usual factor keep their numbers to the bit.
  const range = Math.abs(255 * factor - 1) < 1e-9 ? 1 : 255 * factor
  const [mean, std] = [m.map((value) => (value + shift) / range), s.map((value) => value / range)]
  if (!mean.every(isUsableMean) || !std.every(isUsableStd))
    throw invalid('rescale_factor', 'a factor that scales bytes to about 0 to 1, usually 1/255', factor)
  return { mean, std }
}

function channelValues(key: string, value: number | readonly number[], channels: number): number[] {
  const values = typeof value === 'number' ? Array<number>(channels).fill(value) : [...value]
  if (values.length !== channels || !values.every(Number.isFinite))
    throw invalid(key, `${channels} finite numbers, one per channel`, values)
  return values
}

/** How pictures are scaled, where that is more than to cover the frame. */
function readResize(p: File, imageSize: readonly [number, number], warnings: string[]): Resize | null {
  const [height, width] = imageSize
  if (p.do_resize === false) {
    throw unsupported(
      'do_resize is false: its model expects the center of pictures at their original size',
      `To scale pictures, set do_resize to true, with size {"shortest_edge": ${Math.min(height, width)}}.`,
    )
  }
  // Without crop_size the picture is cropped to a square of size, as older files mean it.
  const short = typeof p.size === 'number' ? p.size : p.size?.shortest_edge
  const crop =
    p.do_center_crop === false
      ? null
      : boxOf('crop_size', p.crop_size ?? (short === Math.min(height, width) ? null : short))
  if (crop !== null && (crop.height !== height || crop.width !== width)) {
    warnings.push(
      `${file}: crop_size is ${crop.height} x ${crop.width}, but the model of config.json takes frames of ${height} x ${width}: frames are cropped to the size of the model.`,
    )
    return null
  }
  if (p.size === undefined || p.size === null) return null
  const size: Exclude<typeof p.size, number> = typeof p.size === 'number' ? { shortest_edge: p.size } : p.size
  const strange = keysNamed(size, ['shortest_edge', 'height', 'width'])
  if (strange.length > 0)
    throw unsupported(`size.${strange.join(', size.')} cannot be applied`, 'Use shortest_edge, or height and width.')
  if (size.shortest_edge !== undefined) {
    if (p.do_center_crop === false)
      throw unsupported(
        'do_center_crop is false: frames would have the aspect ratio of each picture',
        'Set do_center_crop to true.',
      )
    return shortEdge(size.shortest_edge, Math.min(height, width))
  }
  const box = boxOf('size', size)
  if (box === null) throw invalid('size', 'shortest_edge, or height and width', JSON.stringify(size))
  if (p.do_center_crop === false && (box.height !== height || box.width !== width)) {
    throw unsupported(
      `size is ${box.height} x ${box.width}, but the model takes ${height} x ${width}`,
      'Make the two equal.',
    )
  }
  if (box.height < height || box.width < width) throw tooSmall(`${box.height} x ${box.width}`, `${height} x ${width}`)
  return box
}

function shortEdge(edge: number, short: number): Resize | null {
  if (edge < short) throw tooSmall(String(edge), String(short))
  return edge === short ? null : { shortEdge: edge }
}

function tooSmall(size: string, frame: string): VideoMaeError {
  return unsupported(
    `size is ${size}, smaller than the frames of ${frame}: pictures would be padded`,
    `Set size to ${frame} or more.`,
  )
}

function boxOf(
  key: string,
  value: z.output<typeof sides> | null | undefined,
): { height: number; width: number } | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') return { height: value, width: value }
  if (value.height === undefined || value.width === undefined)
    throw invalid(key, 'height and width', JSON.stringify(value))
  return { height: value.height, width: value.width }
}

/** `preprocessor_config.json` of a model: scale, crop the middle, scale to [0, 1], normalize. */
export function writeHuggingFacePreprocessor(configuration: ModelConfiguration): Record<string, unknown> {
  const { imageSize, resize, mean, std } = configuration
  const [height, width] = imageSize
  const squeezed = resize !== undefined && 'height' in resize
  return {
    image_processor_type: 'VideoMAEImageProcessor',
    do_resize: true,
    size: squeezed
      ? { height: resize.height, width: resize.width }
      : { shortest_edge: resize?.shortEdge ?? Math.min(height, width) },
    resample: 2,
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [...mean],
    image_std: [...std],
  }
}

function unsupported(what: string, hint: string): VideoMaeError {
  return new VideoMaeError(`Expected preprocessing that can be applied in ${file}, but ${what}.`, {
    code: 'MODEL_UNSUPPORTED',
    exit: 'data',
    hint,
  })
}

function invalid(key: string, expected: string, received: unknown): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} for ${key} in ${file}, but received ${String(received)}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
  })
}
