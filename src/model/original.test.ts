import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomClips, randomMasks, runOnce, shakenState, tinyConfiguration } from '../../test/support/tiny-model.ts'
import { float32ToFloat16 } from '../format/half.ts'
import { type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { buildClassifyProgram } from './classify.ts'
import type { ModelConfiguration, ModelOptions } from './configuration.ts'
import { loadCheckpointDirectory } from './load-checkpoint.ts'
import { fileShape } from './names.ts'
import { parameterShapes } from './parameters.ts'
import { sinCosPositions } from './positions.ts'
import { buildPretrainProgram } from './pretrain.ts'
import { saveCheckpointDirectory } from './save-checkpoint.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'original-'))
})
afterAll(async () => await rm(root, { recursive: true }))

describe('original state dicts', () => {
  /** Writes parameters under the original's names. */
  async function saveOriginal(
    name: string,
    configuration: ModelConfiguration,
    state: ReadonlyMap<string, Float32Array>,
    shapes: ReadonlyMap<string, readonly number[]>,
    rename: (parameter: string) => string,
  ) {
    const path = join(root, `${name}.safetensors`)
    const tensors = new Map(
      [...shapes].map(([parameter, shape]) => [
        rename(parameter),
        { shape: fileShape(parameter, shape, 1, configuration), data: state.get(parameter)! },
      ]),
    )
    await writeSafetensors(path, tensors)
    return path
  }

  test('of pretraining load with their configuration read off the shapes', async () => {
    const configuration = tinyConfiguration()
    const shapes = parameterShapes(configuration, 'pretrain')
    const state = shakenState(shapes)
    for (const prefix of ['', 'module.', '_orig_mod.module.']) {
      const path = await saveOriginal(`pretrain-${prefix}`, configuration, state, shapes, (p) => `${prefix}${p}`)
      const hints = { imageSize: 8, frames: 4, encoderHeads: 3, decoderHeads: 2 }
      const loaded = await loadCheckpointDirectory(path, hints)
      expect(loaded.configuration).toEqual(configuration)
      expect(loaded).toMatchObject({ kind: 'pretrain', unexpected: [] })
      for (const [name, values] of state) expect(loaded.state.get(name), name).toEqual(values)
    }
  })

  test('of fine-tuning load without the encoder prefix, with or without the last layer', async () => {
    const configuration = tinyConfiguration()
    const shapes = parameterShapes(configuration, 'classify', 5)
    const state = shakenState(shapes)
    const path = await saveOriginal(
      'finetuned',
      configuration,
      state,
      shapes,
      (p) => `backbone.${p.replace(/^encoder\./, '')}`,
    )
    const hints = { imageSize: 8, frames: 4, encoderHeads: 3 }
    const loaded = await loadCheckpointDirectory(path, hints)
    expect(loaded).toMatchObject({ kind: 'classify', classes: 5, labels: null, unexpected: [] })
    expect(loaded.configuration.encoder).toEqual(configuration.encoder)
    for (const [name, values] of state) expect(loaded.state.get(name), name).toEqual(values)
    const dropped = await loadCheckpointDirectory(path, { ...hints, dropHead: true })
    expect(dropped.state.has('head.weight')).toBe(false)
    const frames = randomClips(configuration, 1)
    const program = (c: ModelConfiguration) => buildClassifyProgram({ configuration: c, batch: 1, classes: 5 })
    const { logits } = await runOnce(program(configuration), state, { frames })
    const actual = await runOnce(program(loaded.configuration), loaded.state, { frames })
    expect(actual.logits).toEqual(logits)
  })

  test('take heads from the presets: 64 values each, 80 in ViT-H', async () => {
    const configuration = tinyConfiguration({
      encoder: { width: 384, depth: 1, heads: 6, mlpRatio: 1 },
      decoder: { width: 192, depth: 1, heads: 3, mlpRatio: 1 },
      imageSize: 224,
      frames: 16,
      patch: 16,
    })
    const shapes = parameterShapes(configuration, 'pretrain')
    const path = await saveOriginal('preset', configuration, shakenState(shapes), shapes, (p) => p)
    const loaded = await loadCheckpointDirectory(path)
    expect(loaded.configuration).toEqual(configuration)
  })

  test('and Hugging Face files give the same losses', async () => {
    const configuration = tinyConfiguration()
    const shapes = parameterShapes(configuration, 'pretrain')
    const state = shakenState(shapes)
    const path = await saveOriginal('same', configuration, state, shapes, (p) => p)
    const directory = join(root, 'same-huggingface')
    await saveCheckpointDirectory(directory, { configuration, kind: 'pretrain', state })
    const hints = { imageSize: 8, frames: 4, encoderHeads: 3, decoderHeads: 2 }
    const { visible, masked, counts } = randomMasks(configuration, 2)
    const inputs = { frames: randomClips(configuration, 2), visible, masked }
    const losses: number[] = []
    for (const loaded of [await loadCheckpointDirectory(path, hints), await loadCheckpointDirectory(directory)]) {
      const { programs } = buildPretrainProgram({ configuration: loaded.configuration, batch: 2, ...counts })
      losses.push((await runOnce(programs[0], loaded.state, inputs)).loss[0])
    }
    expect(losses[0]).toBe(losses[1])
    expect(losses[0]).toBeGreaterThan(0)
  })

  const hints = { imageSize: 8, frames: 4, encoderHeads: 3, decoderHeads: 2 }
  const bare = (parameter: string) => parameter.replace(/^encoder\./, '')

  test.each(['pretrain', 'classify'] as const)(
    'with LayerScale and learned positions keep both, through own files (%s)',
    async (kind) => {
      const configuration = tinyConfiguration({
        encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2, layerScale: true },
        decoder: { width: 8, depth: 2, heads: 2, mlpRatio: 2, layerScale: kind === 'pretrain' },
        positions: 'learned',
      })
      const shapes = parameterShapes(configuration, kind, kind === 'classify' ? 5 : null)
      const state = shakenState(shapes)
      const path = await saveOriginal(
        `scaled-${kind}`,
        configuration,
        state,
        shapes,
        kind === 'classify' ? bare : (p) => p,
      )
      const loaded = await loadCheckpointDirectory(path, hints)
      expect(loaded.configuration.encoder).toEqual(configuration.encoder)
      expect(loaded).toMatchObject({ kind, unexpected: [], warnings: [], configuration: { positions: 'learned' } })
      const directory = join(root, `scaled-${kind}`)
      await saveCheckpointDirectory(directory, loaded)
      const again = await loadCheckpointDirectory(directory)
      const { encoderNorm } = again.configuration
      expect({ ...loaded.configuration, encoderNorm }).toEqual(again.configuration)
      for (const [name, values] of state) {
        expect(loaded.state.get(name), name).toEqual(values)
        expect(again.state.get(name), name).toEqual(values)
      }
    },
  )

  /** A classifier under the original's names, with tensors added or taken away. */
  async function classifier(
    name: string,
    change: (tensors: Map<string, SafetensorsTensor>) => void,
    options: Partial<ModelOptions> = {},
  ) {
    const configuration = tinyConfiguration(options)
    const shapes = parameterShapes(configuration, 'classify', 5)
    const state = shakenState(shapes)
    const tensors = new Map<string, SafetensorsTensor>(
      [...shapes].map(([p, shape]) => [bare(p), { shape: fileShape(p, shape, 1, configuration), data: state.get(p)! }]),
    )
    change(tensors)
    const path = join(root, `${name}.safetensors`)
    await writeSafetensors(path, tensors)
    return { path, state }
  }
  const tensor = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) })

  test('with a stored table that is the fixed one, in float32 or half as long, are the plain model', async () => {
    for (const table of [sinCosPositions(8, 12), float32ToFloat16(sinCosPositions(8, 12))]) {
      const { path } = await classifier('fixed-table', (tensors) => {
        const dtype = table instanceof Float32Array ? 'F32' : 'F16'
        tensors.set('pos_embed', { shape: [1, 8, 12], data: table, dtype })
      })
      const loaded = await loadCheckpointDirectory(path, hints)
      expect(loaded).toMatchObject({ unexpected: [], warnings: [], configuration: { positions: 'flattened' } })
      expect(loaded.state.has('encoder.pos_embed')).toBe(false)
    }
  })

  test('without biases of attention have none; with a fused bias its query and value parts', async () => {
    const without = await classifier('no-bias', () => {}, { attentionBias: false })
    expect((await loadCheckpointDirectory(without.path, hints)).configuration.attentionBias).toBe(false)
    const fused = await classifier('fused', (tensors) => {
      for (const block of [0, 1]) {
        const prefix = `blocks.${block}.attn`
        const bias = new Float32Array(36).fill(7)
        bias.set(tensors.get(`${prefix}.q_bias`)!.data as Float32Array, 0)
        bias.set(tensors.get(`${prefix}.v_bias`)!.data as Float32Array, 24)
        for (const name of ['q_bias', 'v_bias']) tensors.delete(`${prefix}.${name}`)
        tensors.set(`${prefix}.qkv.bias`, { shape: [36], data: bias })
      }
    })
    const loaded = await loadCheckpointDirectory(fused.path, hints)
    for (const [name, values] of fused.state) expect(loaded.state.get(name), name).toEqual(values)
  })

  test.each([
    ['cls_token', tensor(1, 1, 12), /class token/],
    ['blocks.0.attn.scale', tensor(3, 1, 1), /leave them out/],
    ['blocks.1.attn.relative_position_bias_table', tensor(9, 3), /leave them out/],
    ['time_embed', tensor(1, 4, 12), /leave them out/],
    ['norm_pre.weight', tensor(12), /leave them out/],
    ['blocks.0.attn.qkv.lora_A', tensor(4, 12), /leave them out/],
    ['pos_embed', tensor(1, 9, 12), /class token/],
  ])('with %s are refused by its name', async (name, value, hint) => {
    const { path } = await classifier('strange', (tensors) => void tensors.set(name, value))
    await expect(loadCheckpointDirectory(path, hints)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      message: expect.stringContaining(name),
      hint: expect.stringMatching(hint),
    })
  })

  test('with parts that their kind does not use name them', async () => {
    const names = ['norm.weight', 'decoder.blocks.0.norm1.weight', 'aux_head.weight', 'n_averaged']
    const { path } = await classifier('parts', (tensors) => {
      for (const name of names) tensors.set(name, tensor(12))
    })
    const { unexpected, warnings } = await loadCheckpointDirectory(path, hints)
    expect([...unexpected].sort()).toEqual([...names].sort())
    expect(warnings).toEqual([expect.stringMatching(/4 tensors are not used.*aux_head\.weight/)])
  })

  test('with a table of another grid say so', async () => {
    const { path } = await classifier('other-grid', (tensors) => void tensors.set('pos_embed', tensor(1, 16, 12)))
    await expect(loadCheckpointDirectory(path, hints)).rejects.toMatchObject({ code: 'TENSOR_SHAPE' })
    const larger = await loadCheckpointDirectory(path, { ...hints, frames: 8 })
    expect(larger.configuration.positions).toBe('learned')
  })

  test('next to a config.json and a preprocessor are read with both', async () => {
    const folder = await mkdtemp(join(root, 'described-'))
    const { path } = await classifier('described', () => {})
    await copyFile(path, join(folder, 'model.safetensors'))
    const describe = (model: object) => writeFile(join(folder, 'config.json'), JSON.stringify({ model_config: model }))
    await describe({
      img_size: [4, 16],
      num_frames: 4,
      num_heads: 3,
      layer_norm_eps: 1e-5,
      cos_attn: false,
      strange: 1,
    })
    await writeFile(
      join(folder, 'preprocessor_config.json'),
      JSON.stringify({ image_mean: [0.1, 0.2, 0.3], image_std: [1, 1, 1] }),
    )
    const loaded = await loadCheckpointDirectory(folder)
    expect(loaded.configuration).toMatchObject({
      imageSize: [4, 16],
      layerNormEpsilon: 1e-5,
      mean: [0.1, 0.2, 0.3],
      std: [1, 1, 1],
    })
    expect(loaded.warnings).toEqual([expect.stringMatching(/model_config\.strange/)])
    for (const [key, value] of Object.entries({ cos_attn: true, qk_scale: 0.2, use_cls: true })) {
      await describe({ img_size: 8, num_frames: 4, num_heads: 3, [key]: value })
      await expect(loadCheckpointDirectory(folder)).rejects.toMatchObject({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringContaining(key),
      })
    }
    await describe({ img_size: 8, num_frames: 4, num_heads: 3, use_learnable_pos_emb: true })
    await expect(loadCheckpointDirectory(folder)).rejects.toThrow(/pos_embed/)
  })

  test('of another model are refused with what was found', async () => {
    const path = join(root, 'foreign.safetensors')
    await writeSafetensors(path, new Map([['bert.pooler', { shape: [1], data: new Float32Array(1) }]]))
    await expect(loadCheckpointDirectory(path)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      hint: expect.stringContaining('bert.pooler'),
    })
  })
})
