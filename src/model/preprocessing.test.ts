/** Oracle: the formula of transformers' processors, computed on every byte value. */
import { describe, expect, test } from 'vitest'
import { tinyConfiguration } from '../../test/support/tiny-model.ts'
import { imagenetMean, imagenetStd } from './configuration.ts'
import { readPreprocessing, writeHuggingFacePreprocessor } from './preprocessing.ts'

const size = { imageSize: [224, 224] as const, channels: 3 }
const standard = writeHuggingFacePreprocessor(tinyConfiguration({ imageSize: 224, patch: 16 }))
const read = (
  change: Record<string, unknown>,
  at: typeof size | { imageSize: readonly [number, number]; channels: number } = size,
) => readPreprocessing({ ...standard, ...change }, at)

describe('pixel values', () => {
  test.each([
    { do_rescale: true, rescale_factor: 1 / 255, offset: false, do_normalize: true },
    { do_rescale: true, rescale_factor: 1 / 127.5, offset: true, do_normalize: false },
    {
      do_rescale: true,
      rescale_factor: 1 / 127.5,
      rescale_offset: true,
      do_normalize: true,
      image_mean: [0.5, 0.4, 0.3],
    },
    {
      do_rescale: false,
      do_normalize: true,
      image_mean: [123.675, 116.28, 103.53],
      image_std: [58.395, 57.12, 57.375],
    },
    { do_rescale: false, do_normalize: false },
    { do_rescale: true, rescale_factor: 0.01, do_normalize: true, image_mean: 0.2, image_std: 0.4 },
  ])('%j are those of transformers', (change) => {
    const { mean, std, warnings } = read(change)
    const file: Record<string, unknown> = { ...standard, ...change }
    const perChannel = (value: unknown, c: number) => (typeof value === 'number' ? value : (value as number[])[c])
    for (let c = 0; c < 3; c++) {
      for (let byte = 0; byte < 256; byte++) {
        let value = file.do_rescale === true ? byte * (file.rescale_factor as number) : byte
        if (file.offset === true || file.rescale_offset === true) value -= 1
        if (file.do_normalize === true) value = (value - perChannel(file.image_mean, c)) / perChannel(file.image_std, c)
        expect((byte / 255 - mean[c]) / std[c]).toBeCloseTo(value, 9)
      }
    }
    expect(warnings).toEqual([])
  })

  test('keep usual values to the bit, through a file and back', () => {
    expect(read({})).toEqual({ mean: imagenetMean, std: imagenetStd, resize: null, warnings: [] })
    expect(readPreprocessing(null, size)).toEqual({ mean: imagenetMean, std: imagenetStd, resize: null, warnings: [] })
    // The defaults of its class, where the file leaves them out.
    expect(readPreprocessing({}, size)).toMatchObject({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] })
    const odd = read({ do_normalize: false, rescale_factor: 1 / 127.5, offset: true })
    const written = writeHuggingFacePreprocessor({
      ...tinyConfiguration({ imageSize: 224, patch: 16 }),
      ...odd,
      resize: undefined,
    })
    expect(readPreprocessing(written, size)).toEqual(odd)
  })

  test.each([
    [{ image_mean: [0.5] }, /image_mean/],
    [{ image_std: [0.5, 0, 0.5] }, /image_std/],
    [{ image_std: [0.2, 1e-30, 0.2] }, /numbers from 0\.0001 to 10000 for image_std in preprocessor_config\.json/],
    [{ image_std: 1e30 }, /image_std/],
    [{ image_mean: 1e30 }, /image_mean/],
    [{ rescale_factor: 0 }, /rescale_factor/],
    [{ rescale_factor: 1e-30 }, /rescale_factor/],
    [{ rescale_factor: 1e30 }, /rescale_factor/],
    [{ do_normalize: 'no' }, /do_normalize: .*it is "no"/],
  ])('%j is refused by its key', (change, message) => {
    expect(() => read(change)).toThrow(message)
    expect(() => read(change)).toThrow(expect.objectContaining({ code: 'CHECKPOINT_INVALID' }))
  })
})

describe('pictures', () => {
  test.each([
    [{}, null],
    [{ size: 224 }, null],
    [{ size: { shortest_edge: 256 } }, { shortEdge: 256 }],
    [{ size: 256, crop_size: 224 }, { shortEdge: 256 }],
    [{ size: { height: 224, width: 224 } }, { height: 224, width: 224 }],
    [{ size: { height: 256, width: 320 } }, { height: 256, width: 320 }],
    [
      { size: { height: 224, width: 224 }, do_center_crop: false },
      { height: 224, width: 224 },
    ],
  ])('%j are scaled as it says', (change, resize) => {
    const found = read(change)
    expect(found).toMatchObject({ resize, warnings: [] })
    const configuration = tinyConfiguration({ imageSize: 224, patch: 16, resize: resize ?? undefined })
    expect(readPreprocessing(writeHuggingFacePreprocessor(configuration), size).resize).toEqual(resize)
  })

  test.each([
    [{ do_resize: false }, /do_resize/],
    [{ do_center_crop: false }, /do_center_crop/],
    [{ size: { shortest_edge: 112 } }, /smaller than the frames/],
    [{ size: { longest_edge: 224 } }, /longest_edge/],
    [{ offset: true, do_rescale: false }, /offset/],
    [{ do_flip_channel_order: true }, /BGR/],
    [{ do_pad: true }, /do_pad/],
    [{ image_processor_type: 'VivitImageProcessor', do_normalize: undefined }, /VivitImageProcessor.*do_normalize/],
  ])('%j cannot be applied, and is refused by its key', (change, message) => {
    expect(() => read(change)).toThrow(message)
    expect(() => read(change)).toThrow(expect.objectContaining({ code: 'MODEL_UNSUPPORTED', exit: 'data' }))
  })

  test.each([
    [{ crop_size: { height: 112, width: 112 } }, /crop_size is 112 x 112.*224 x 224/],
    [{ resample: 3 }, /resample 3/],
    [{ do_sample_frames: true }, /do_sample_frames/],
    [{ sharpen: 2 }, /sharpen unknown/],
  ])('%j is named', (change, message) => {
    expect(read(change).warnings).toEqual([expect.stringMatching(message)])
  })

  test('of another class are read where it leaves nothing to its defaults', () => {
    const vivit = read({ image_processor_type: 'VivitImageProcessor', offset: true, rescale_factor: 1 / 127.5 })
    expect(vivit.mean[0]).toBeCloseTo((0.485 + 1) / 2, 12)
  })
})
