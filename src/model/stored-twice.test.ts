/** Files that say one thing twice: read where both are the same, refused with both names where they differ. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shakenState, tinyConfiguration } from '../../test/support/tiny-model.ts'
import { withoutChecksums } from '../../test/support/without-checksums.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { loadCheckpointDirectory } from './load-checkpoint.ts'
import { fileShape } from './names.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'
import { saveCheckpointDirectory } from './save-checkpoint.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stored-twice-'))
})
afterAll(async () => await rm(root, { recursive: true }))

type Tensors = Map<string, SafetensorsTensor & { data: Float32Array }>
const configuration = tinyConfiguration()
const hints = { imageSize: 8, frames: 4, encoderHeads: 3, decoderHeads: 2 }
let made = 0

/** A Hugging Face directory whose tensors were changed. */
async function huggingFace(kind: ModelKind, change: (tensors: Tensors) => void) {
  const directory = join(root, String(made++))
  const classes = kind === 'classify' ? 3 : null
  const state = shakenState(parameterShapes(configuration, kind, classes))
  await saveCheckpointDirectory(directory, { configuration, kind, classes, labels: null, state })
  withoutChecksums(directory)
  const file = await readSafetensors(directory)
  const tensors: Tensors = new Map()
  for (const name of file.names) tensors.set(name, { shape: file.info(name).shape, data: await file.readFloat32(name) })
  await file.close()
  change(tensors)
  await writeSafetensors(join(directory, 'model.safetensors'), tensors, { format: 'pt' })
  return { path: directory, state }
}

/** An original state dict, without `encoder.` for a classifier. */
async function original(kind: ModelKind, change: (tensors: Tensors) => void) {
  const path = join(root, `${made++}.safetensors`)
  const shapes = parameterShapes(configuration, kind, kind === 'classify' ? 5 : null)
  const state = shakenState(shapes)
  const tensors: Tensors = new Map()
  for (const [name, shape] of shapes) {
    const stored = kind === 'classify' ? name.replace(/^encoder\./, '') : name
    tensors.set(stored, { shape: fileShape(name, shape, 1, configuration), data: state.get(name)! })
  }
  change(tensors)
  await writeSafetensors(path, tensors)
  return { path, state }
}

/** Adds a tensor again under another name; `by` is what its first value differs by. */
function again(tensors: Tensors, name: string, other: string, by: number): void {
  const { shape, data } = tensors.get(name)!
  const copy = data.slice()
  copy[0] += by
  tensors.set(other, { shape, data: copy })
}

/** `qkv.bias` [3D] from the biases of query and value; `by` is what its last value differs by. */
function addFused(tensors: Tensors, attention: string, by: number): void {
  const fused = new Float32Array(36)
  fused.set(tensors.get(`${attention}.q_bias`)!.data, 0)
  fused.set(tensors.get(`${attention}.v_bias`)!.data, 24)
  fused[35] += by
  tensors.set(`${attention}.qkv.bias`, { shape: [36], data: fused })
}

describe('one parameter under two names', () => {
  const layer = 'encoder.layer.0'
  const attention = `videomae.${layer}.attention.attention`

  test.each<[string, string, (by: number) => Promise<{ path: string; state: ReadonlyMap<string, Float32Array> }>]>([
    [
      'classifier.weight',
      'module.classifier.weight',
      (by) => huggingFace('classify', (t) => again(t, 'classifier.weight', 'module.classifier.weight', by)),
    ],
    [
      `${attention}.q_bias`,
      `${attention}.query.bias`,
      (by) => huggingFace('classify', (t) => again(t, `${attention}.q_bias`, `${attention}.query.bias`, by)),
    ],
    [
      `videomae.${layer}.layernorm_before.weight`,
      `${layer}.layernorm_before.weight`,
      (by) =>
        huggingFace('pretrain', (t) =>
          again(t, `videomae.${layer}.layernorm_before.weight`, `${layer}.layernorm_before.weight`, by),
        ),
    ],
    [
      'blocks.0.attn.v_bias',
      'blocks.0.attn.qkv.bias',
      (by) => original('classify', (t) => addFused(t, 'blocks.0.attn', by)),
    ],
    [
      'encoder.blocks.1.norm1.bias',
      'blocks.1.norm1.bias',
      (by) => original('pretrain', (t) => again(t, 'encoder.blocks.1.norm1.bias', 'blocks.1.norm1.bias', by)),
    ],
  ])('%s and %s: refused unless they are equal', async (one, other, write) => {
    const equal = await write(0)
    const loaded = await loadCheckpointDirectory(equal.path, hints)
    expect(loaded).toMatchObject({ unexpected: [], warnings: [] })
    for (const [name, values] of equal.state) expect(loaded.state.get(name), name).toEqual(values)
    const different = await write(0.5)
    const load = loadCheckpointDirectory(different.path, hints)
    await expect(load).rejects.toMatchObject({ code: 'TENSOR_AMBIGUOUS', exit: 'data' })
    await expect(load).rejects.toThrow(`${one} and ${other}`)
  })

  test('of other shapes is refused, whichever comes first', async () => {
    const { path } = await huggingFace('classify', (tensors) => {
      tensors.set('module.classifier.weight', { shape: [2, 12], data: new Float32Array(24) })
    })
    await expect(loadCheckpointDirectory(path)).rejects.toMatchObject({ code: 'TENSOR_AMBIGUOUS' })
  })
})

describe('preprocessor_config.json and video_preprocessor_config.json', () => {
  const first = { image_mean: [0.5, 0.5, 0.5], image_std: [0.25, 0.25, 0.25], size: { shortest_edge: 8 }, crop_size: 8 }

  async function withBoth(write: typeof huggingFace | typeof original, second: object) {
    const { path } = await write('classify', () => {})
    const directory = path.endsWith('.safetensors') ? path.slice(0, -'.safetensors'.length) : path
    await mkdir(directory, { recursive: true })
    if (directory !== path) await copyFile(path, join(directory, 'model.safetensors'))
    await writeFile(join(directory, 'preprocessor_config.json'), JSON.stringify(first))
    await writeFile(join(directory, 'video_preprocessor_config.json'), JSON.stringify(second))
    return directory
  }

  test.each([
    ['Hugging Face', huggingFace],
    ['original', original],
  ] as const)('are refused where pixels differ (%s)', async (_, write) => {
    for (const [key, value] of Object.entries({
      image_mean: [0.1, 0.5, 0.5],
      image_std: 0.5,
      do_normalize: false,
      rescale_factor: 1 / 127.5,
      size: { shortest_edge: 16 },
      do_resize: false,
    })) {
      const load = loadCheckpointDirectory(await withBoth(write, { ...first, [key]: value }), hints)
      await expect(load).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID', exit: 'data' })
      await expect(load).rejects.toThrow(
        new RegExp(`preprocessor_config.json and video_preprocessor_config.json .*${key} `),
      )
    }
  })

  test('are read where they say the same in other words', async () => {
    const second = {
      video_processor_type: 'VideoMAEVideoProcessor',
      do_resize: true,
      do_center_crop: true,
      do_rescale: true,
      rescale_factor: 0.00392156862745098,
      do_normalize: true,
      image_mean: 0.5,
      image_std: 0.25,
      size: 8,
      crop_size: { height: 8, width: 8 },
    }
    for (const write of [huggingFace, original]) {
      const { configuration: read } = await loadCheckpointDirectory(await withBoth(write, second), hints)
      expect(read).toMatchObject({ mean: first.image_mean, std: first.image_std })
    }
  })

  test('may differ in a mean that is given', async () => {
    const directory = await withBoth(huggingFace, { ...first, image_mean: 0.1 })
    const { configuration: read } = await loadCheckpointDirectory(directory, { mean: [0.1, 0.1, 0.1] })
    expect(read.mean).toEqual([0.1, 0.1, 0.1])
  })
})
