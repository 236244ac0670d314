import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomClips, randomMasks, runOnce, shakenState, tinyConfiguration } from '../../test/model/tiny.ts'
import { writeSafetensors } from '../format/safetensors.ts'
import { buildClassifyProgram } from './classify.ts'
import type { ModelConfiguration } from './configuration.ts'
import { loadCheckpointDirectory } from './load-checkpoint.ts'
import { fileShape } from './names.ts'
import { parameterShapes } from './parameters.ts'
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

  it('of pretraining load with their configuration read off the shapes', async () => {
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

  it('of fine-tuning load without the encoder prefix, with or without the last layer', async () => {
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

  it('take heads from the presets: 64 values each, 80 in ViT-H', async () => {
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

  it('and Hugging Face files give the same losses', async () => {
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

  it('of another model are refused with what was found', async () => {
    const path = join(root, 'foreign.safetensors')
    await writeSafetensors(path, new Map([['bert.pooler', { shape: [1], data: new Float32Array(1) }]]))
    await expect(loadCheckpointDirectory(path)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      hint: expect.stringContaining('bert.pooler'),
    })
  })
})
