import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shakenState, tinyConfiguration } from '../../test/support/tiny-model.ts'
import { withoutChecksums } from '../../test/support/without-checksums.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { openClassifier } from '../inference/classifier.ts'
import type { ModelConfiguration } from './configuration.ts'
import { loadCheckpointDirectory } from './load-checkpoint.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'
import { sinCosPositions } from './positions.ts'
import { saveCheckpointDirectory } from './save-checkpoint.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'model-'))
})
afterAll(async () => await rm(root, { recursive: true }))

const labels = ['left', 'right', 'up']

async function save(name: string, configuration: ModelConfiguration, kind: ModelKind, classes: number | null = null) {
  const directory = join(root, name)
  const state = shakenState(parameterShapes(configuration, kind, classes))
  await saveCheckpointDirectory(directory, {
    configuration,
    kind,
    classes,
    labels: classes === 3 ? labels : null,
    state,
  })
  withoutChecksums(directory)
  return { directory, state }
}

/** All tensors of a saved model, to be written again under other names. */
async function tensorsOf(directory: string): Promise<Map<string, SafetensorsTensor & { data: Float32Array }>> {
  const file = await readSafetensors(directory)
  const tensors = new Map<string, SafetensorsTensor & { data: Float32Array }>()
  for (const name of file.names) {
    tensors.set(name, { shape: file.info(name).shape, data: await file.readFloat32(name) })
  }
  await file.close()
  return tensors
}

const rewrite = async (directory: string, tensors: ReadonlyMap<string, SafetensorsTensor>) =>
  await writeSafetensors(join(directory, 'model.safetensors'), tensors, { format: 'pt' })

async function editConfig(directory: string, change: (config: Record<string, unknown>) => void): Promise<void> {
  const path = join(directory, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8'))
  change(config)
  await writeFile(path, JSON.stringify(config))
}

describe('Hugging Face directories', () => {
  const extended = tinyConfiguration({
    encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2, layerScale: true },
    decoder: { width: 8, depth: 2, heads: 2, mlpRatio: 2, layerScale: true },
    positions: 'learned',
  })
  const odd: Partial<Parameters<typeof tinyConfiguration>[0]> = {
    imageSize: [8, 16],
    layerNormEpsilon: 1e-5,
    headNormEpsilon: 1e-6,
    mean: [0.1, 0.2, 0.3],
    std: [0.5, 0.6, 0.7],
    positionGrid: { t: 8, h: 14, w: 14 },
  }

  test.each([
    ['pretrain', tinyConfiguration(), null],
    ['pretrain', tinyConfiguration({ encoderNorm: false, normalizeTargets: false }), null],
    ['classify', tinyConfiguration(), 3],
    ['classify', tinyConfiguration({ useMeanPooling: false }), 3],
    ['classify', tinyConfiguration(odd), 3],
    ['encoder', tinyConfiguration(odd), null],
    ['classify', tinyConfiguration({ resize: { shortEdge: 12 } }), 3],
    ['encoder', tinyConfiguration({ resize: { height: 9, width: 8 } }), null],
    ['pretrain', extended, null],
    ['classify', { ...extended, useMeanPooling: false, decoder: tinyConfiguration().decoder }, 3],
    ['pretrain', tinyConfiguration({ attentionBias: false }), null],
  ] as const)('give back exactly what was saved (%s, %#)', async (kind, configuration, classes) => {
    const { directory, state } = await save('round', configuration, kind, classes)
    const loaded = await loadCheckpointDirectory(directory)
    expect(loaded.configuration).toEqual(configuration)
    expect(loaded).toMatchObject({
      kind,
      classes,
      labels: classes === null ? null : labels,
      unexpected: [],
      warnings: [],
    })
    expect([...loaded.state.keys()]).toEqual([...state.keys()])
    for (const [name, values] of state) expect(loaded.state.get(name), name).toEqual(values)
  })

  test('hold the names and shapes of published checkpoints, 15 tensors a block, with qkv split by rows', async () => {
    const configuration = tinyConfiguration()
    const { directory, state } = await save('names', configuration, 'pretrain')
    const tensors = await tensorsOf(directory)
    expect(tensors.size).toBe(15 * 4 + 10)
    const prefix = 'videomae.encoder.layer.1.attention.attention'
    const qkv = state.get('encoder.blocks.1.attn.qkv.weight')!
    for (const [i, name] of ['query', 'key', 'value'].entries()) {
      const tensor = tensors.get(`${prefix}.${name}.weight`)!
      expect(tensor.shape).toEqual([12, 12])
      expect(tensor.data).toEqual(qkv.slice(144 * i, 144 * (i + 1)))
    }
    expect(tensors.get(`${prefix}.q_bias`)?.data).toEqual(state.get('encoder.blocks.1.attn.q_bias'))
    expect(tensors.get('decoder.decoder_layers.0.attention.attention.v_bias')?.shape).toEqual([8])
    expect(tensors.get('videomae.embeddings.patch_embeddings.projection.weight')?.shape).toEqual([12, 3, 2, 4, 4])
    expect(tensors.get('mask_token')?.shape).toEqual([1, 1, 8])
    expect(tensors.has('videomae.layernorm.weight')).toBe(true)
    const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'))
    expect(config).toMatchObject({
      model_type: 'videomae',
      architectures: ['VideoMAEForPreTraining'],
      image_size: 8,
      qkv_bias: true,
      use_mean_pooling: false,
    })
    const preprocessor = JSON.parse(await readFile(join(directory, 'preprocessor_config.json'), 'utf8'))
    expect(preprocessor).toMatchObject({
      size: { shortest_edge: 8 },
      crop_size: { height: 8, width: 8 },
      image_mean: [0.485, 0.456, 0.406],
    })
  })

  test('may name the biases as transformers 5 does, and hold a key bias and a position table', async () => {
    const { directory, state } = await save('v5', tinyConfiguration(), 'pretrain')
    const tensors = new Map(
      [...(await tensorsOf(directory))].map(([name, tensor]) => [
        name.replace(/\.q_bias$/, '.query.bias').replace(/\.v_bias$/, '.value.bias'),
        tensor,
      ]),
    )
    tensors.set('videomae.encoder.layer.0.attention.attention.key.bias', {
      shape: [12],
      data: new Float32Array(12).fill(3),
    })
    tensors.set('videomae.embeddings.position_embeddings', { shape: [1, 8, 12], data: sinCosPositions(8, 12) })
    await rewrite(directory, tensors)
    await editConfig(directory, (config) => {
      config.qv_bias = config.qkv_bias
      delete config.qkv_bias
    })
    const loaded = await loadCheckpointDirectory(directory)
    expect(loaded).toMatchObject({ unexpected: [], warnings: [], configuration: tinyConfiguration() })
    for (const [name, values] of state) expect(loaded.state.get(name), name).toEqual(values)
  })

  test('may be of a bare encoder, without the prefix', async () => {
    const { directory, state } = await save('bare', tinyConfiguration(), 'encoder')
    const tensors = await tensorsOf(directory)
    await rewrite(directory, new Map([...tensors].map(([name, tensor]) => [name.replace(/^videomae\./, ''), tensor])))
    const loaded = await loadCheckpointDirectory(directory)
    expect(loaded.kind).toBe('encoder')
    for (const [name, values] of state) expect(loaded.state.get(name), name).toEqual(values)
  })

  test('fail by name when tensors are missing, and when there are more than the model has', async () => {
    const { directory } = await save('missing', tinyConfiguration(), 'pretrain')
    const tensors = await tensorsOf(directory)
    const gone = ['videomae.encoder.layer.0.attention.attention.q_bias', 'decoder.norm.weight']
    await rewrite(directory, new Map([...tensors].filter(([name]) => !gone.includes(name))))
    const failure = loadCheckpointDirectory(directory)
    await expect(failure).rejects.toMatchObject({ code: 'TENSOR_MISSING', exit: 'data' })
    for (const name of gone) await expect(failure).rejects.toThrow(name)
    tensors.set('decoder.extra', { shape: [2], data: new Float32Array(2) })
    await rewrite(directory, tensors)
    await expect(loadCheckpointDirectory(directory)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      message: expect.stringContaining('decoder.extra'),
    })
    // Taken alone, the encoder does not depend on it.
    const encoder = await loadCheckpointDirectory(directory, { encoderOnly: true })
    expect(encoder.unexpected).toEqual(['decoder.extra'])
    expect(encoder.warnings).toEqual([expect.stringContaining('decoder.extra')])
  })

  test('without query and value biases have none, and are written back so', async () => {
    const { directory } = await save('no-bias', tinyConfiguration(), 'pretrain')
    await editConfig(directory, (config) => {
      config.qkv_bias = false
    })
    // The file has biases that such a model does not read.
    await expect(loadCheckpointDirectory(directory)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
    await rewrite(directory, new Map([...(await tensorsOf(directory))].filter(([name]) => !/[qv]_bias$/.test(name))))
    const loaded = await loadCheckpointDirectory(directory)
    expect(loaded.configuration).toEqual(tinyConfiguration({ attentionBias: false }))
    expect([...loaded.state.keys()].some((name) => name.endsWith('v_bias'))).toBe(false)
    const again = join(root, 'no-bias-again')
    await saveCheckpointDirectory(again, { ...loaded, kind: 'pretrain' })
    expect(JSON.parse(await readFile(join(again, 'config.json'), 'utf8'))).toMatchObject({ qkv_bias: false })
    expect((await loadCheckpointDirectory(again)).configuration).toEqual(loaded.configuration)
  })

  test('fail by name when a tensor has another shape', async () => {
    const { directory } = await save('shape', tinyConfiguration(), 'classify', 3)
    const tensors = await tensorsOf(directory)
    tensors.set('videomae.encoder.layer.1.output.dense.weight', { shape: [24, 12], data: new Float32Array(288) })
    await rewrite(directory, tensors)
    await expect(loadCheckpointDirectory(directory)).rejects.toThrow(/layer\.1\.output\.dense\.weight.*\[24, 12\]/)
  })

  test('lend their encoder, or their classifier without its last layer', async () => {
    const pretrained = await save('lend-pretrain', tinyConfiguration(), 'pretrain')
    const encoder = await loadCheckpointDirectory(pretrained.directory, { encoderOnly: true })
    expect(encoder).toMatchObject({ kind: 'encoder', unexpected: [] })
    expect([...encoder.state.keys()].every((name) => name.startsWith('encoder.'))).toBe(true)
    expect(encoder.state.has('encoder.norm.weight')).toBe(true)

    const classifier = await save('lend-classify', tinyConfiguration(), 'classify', 3)
    const features = await loadCheckpointDirectory(classifier.directory, { dropHead: true })
    expect(features).toMatchObject({ kind: 'classify', classes: null, labels: null, unexpected: [] })
    expect(features.state.has('fc_norm.weight')).toBe(true)
    expect(features.state.has('head.weight')).toBe(false)
    const alone = await loadCheckpointDirectory(classifier.directory, { encoderOnly: true })
    expect(alone.configuration.encoderNorm).toBe(false)
    expect(alone.state.has('encoder.norm.weight')).toBe(false)
  })

  test('of published pretrained models come out ready for mean pooling, with the epsilon they were trained with', async () => {
    const { directory } = await save('published', tinyConfiguration(), 'pretrain')
    await editConfig(directory, (config) => {
      config.layer_norm_eps = 1e-12
      delete config.head_norm_eps
    })
    const { configuration } = await loadCheckpointDirectory(directory)
    expect(configuration).toMatchObject({
      useMeanPooling: true,
      encoderNorm: true,
      layerNormEpsilon: 1e-6,
      headNormEpsilon: 1e-6,
    })
    const same = await loadCheckpointDirectory(directory, { norms: 'transformers' })
    expect(same.configuration).toMatchObject({ layerNormEpsilon: 1e-12, headNormEpsilon: 1e-5 })
  })

  test('warn of the small model with 16 heads, and take another number', async () => {
    const wide = { encoder: { width: 384, depth: 1, heads: 16, mlpRatio: 1 } }
    const { directory } = await save('small', tinyConfiguration(wide), 'encoder')
    const loaded = await loadCheckpointDirectory(directory)
    expect(loaded.warnings).toEqual([expect.stringMatching(/16 attention heads/)])
    const six = await loadCheckpointDirectory(directory, { encoderHeads: 6 })
    expect(six.configuration.encoder.heads).toBe(6)
  })

  test('with a damaged or foreign config.json fail with the key', async () => {
    const { directory } = await save('damaged', tinyConfiguration(), 'pretrain')
    await editConfig(directory, (config) => {
      config.hidden_act = 'relu'
    })
    await expect(loadCheckpointDirectory(directory)).rejects.toThrow(/hidden_act.*relu/)
    await editConfig(directory, (config) => {
      config.hidden_act = 'gelu'
      config.num_frames = '16'
    })
    await expect(loadCheckpointDirectory(directory)).rejects.toThrow(/num_frames/)
    await writeFile(join(directory, 'config.json'), '{')
    await expect(loadCheckpointDirectory(directory)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
  })

  test('refuse to be written without a parameter', async () => {
    const configuration = tinyConfiguration()
    const state = shakenState(parameterShapes(configuration, 'pretrain'))
    state.delete('mask_token')
    const saving = saveCheckpointDirectory(join(root, 'incomplete'), { configuration, kind: 'pretrain', state })
    await expect(saving).rejects.toThrow(/mask_token/)
  })
})

describe('factored positions', () => {
  test('come back, under a model type that transformers does not take for its own', async () => {
    const configuration: ModelConfiguration = { ...tinyConfiguration(), positions: 'factored' }
    const { directory } = await save('factored', configuration, 'pretrain')
    const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')) as { model_type: string }
    expect(config.model_type).toBe('videomae-factored')
    expect((await loadCheckpointDirectory(directory)).configuration).toEqual(configuration)
  })
})

describe('what transformers does not compute', () => {
  test.each([
    ['learned positions', { positions: 'learned' as const }],
    ['LayerScale', { encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2, layerScale: true } }],
    ['positions of another grid', { positionGrid: { t: 8, h: 14, w: 14 } }],
  ])('%s: written under a model type that it does not take for its own', async (_, options) => {
    const configuration = tinyConfiguration(options)
    const { directory } = await save('extended', configuration, 'encoder')
    const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')) as { model_type: string }
    expect(config.model_type).toBe('videomae-extended')
    expect((await loadCheckpointDirectory(directory)).configuration).toEqual(configuration)
  })
})

describe('config.json of another model', () => {
  test.each([
    [{ model_type: 'vivit' }, /model_type is "vivit"/],
    [{ model_type: 'timesformer', architectures: ['TimesformerForVideoClassification'] }, /timesformer/],
    [{ architectures: ['VideoMAEForSomethingElse'] }, /VideoMAEForSomethingElse/],
    [{ hidden_act: 'gelu_new' }, /gelu_new/],
    [{ hidden_act: 'relu' }, /relu/],
    [{ quantization_config: { bits: 8 } }, /quantized/],
    [{ pruned_heads: { 0: [1] } }, /pruned_heads/],
  ])('%j is refused by name', async (change, message) => {
    const { directory } = await save('foreign', tinyConfiguration(), 'encoder')
    await editConfig(directory, (config) => void Object.assign(config, change))
    const failure = loadCheckpointDirectory(directory)
    await expect(failure).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', exit: 'data' })
    await expect(failure).rejects.toThrow(message)
  })

  test('keys that are not applied are named; those that change nothing are not', async () => {
    const { directory } = await save('keys', tinyConfiguration(), 'encoder')
    await editConfig(directory, (config) => {
      Object.assign(config, {
        hidden_act: 'gelu_python',
        output_attentions: false,
        _name_or_path: 'x',
        pruned_heads: {},
      })
    })
    expect((await loadCheckpointDirectory(directory)).warnings).toEqual([])
    await editConfig(directory, (config) => {
      Object.assign(config, { rope_theta: 1e4, hidden_dropout_prob: 0.1 })
    })
    expect((await loadCheckpointDirectory(directory)).warnings).toEqual([
      expect.stringMatching(/hidden_dropout_prob not applied/),
      expect.stringMatching(/rope_theta unknown and not applied/),
    ])
  })

  test('sizes that do not fit are the fault of the file', async () => {
    const { directory } = await save('sizes', tinyConfiguration(), 'encoder')
    await editConfig(directory, (config) => {
      config.num_frames = 5
    })
    await expect(loadCheckpointDirectory(directory)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      message: expect.stringMatching(/multiple of the tubelet size.*config\.json/),
    })
  })

  test.each([
    [{ problem_type: 'multi_label_classification' }, /problem_type/],
    [{ problem_type: 'regression' }, /regression/],
    [{ num_labels: 7 }, /num_labels 7.*3 outputs/],
    [{ id2label: { 0: 'a', 1: 'b' }, label2id: undefined }, /names 2 classes.*3 outputs/],
    [{ id2label: { 1: 'a', 2: 'b', 3: 'c' }, label2id: undefined }, /no name for output 0/],
    [{ id2label: { 0: 'a', 1: 'b', 2: 'a' }, label2id: undefined }, /names two outputs "a"/],
    [{ label2id: { left: 1, right: 0, up: 2 } }, /label2id.*"left"/],
    [{ problem_type: 'single_label_classification', num_labels: 3 }, null],
    [{ id2label: undefined, label2id: undefined }, null],
  ])('%j: whether its outputs are logits of classes that exclude each other', async (change, problem) => {
    const { directory } = await save('meaning', tinyConfiguration(), 'classify', 3)
    await editConfig(directory, (config) => void Object.assign(config, change))
    const loaded = await loadCheckpointDirectory(directory)
    if (problem === null) {
      expect(loaded.classifierProblem).toBeNull()
      await openClassifier(directory)
    } else {
      expect(loaded.classifierProblem).toMatch(problem)
      await expect(openClassifier(directory)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED', exit: 'data' })
    }
  })

  test('a classifier of one output answers nothing', async () => {
    const { directory } = await save('one', tinyConfiguration(), 'classify', 1)
    await expect(openClassifier(directory)).rejects.toThrow(/one output/)
  })
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  'a weight that is %d is found, and its tensor named',
  async (value) => {
    const { directory } = await save('finite', tinyConfiguration(), 'pretrain')
    const tensors = await tensorsOf(directory)
    tensors.get('decoder.head.bias')!.data[5] = value
    await rewrite(directory, tensors)
    await expect(loadCheckpointDirectory(directory)).rejects.toMatchObject({
      code: 'WEIGHTS_NOT_FINITE',
      exit: 'data',
      message: expect.stringMatching(/decoder\.head\.bias.*1 of 96.*value 5/),
    })
  },
)
