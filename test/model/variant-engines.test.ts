/**
 * LayerScale, learned positions and attention without biases on every engine, and in exported files. Oracle: the float64 reference.
 */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { EngineSession, InputValue } from '../../src/engine/engine.ts'
import { inThreadNativeEngine } from '../../src/engine/native/index.ts'
import { onnxEngine } from '../../src/engine/onnx/index.ts'
import { inThreadTfjsEngine } from '../../src/engine/tfjs/index.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { exportEncoder } from '../../src/export/encoder.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { openSource } from '../../src/finetune/prepare.ts'
import { readModel, writeModel } from '../../src/format/onnx.ts'
import type { Program } from '../../src/graph/program.ts'
import { saveClassifier } from '../../src/inference/classifier.ts'
import { openAnyClassifier } from '../../src/inference/predict.ts'
import { predictFrom } from '../../src/inference/predict-videos.ts'
import { buildClassifyProgram, buildFinetuneProgram } from '../../src/model/classify.ts'
import { layerWiseScale, parameterShapes } from '../../src/model/parameters.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import { buildEmulatedToolkit, compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { testDeviceMissing } from '../support/cuda-test-device.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { openTestSession } from '../support/run-operation-case.ts'
import {
  openWith,
  randomClips,
  randomMasks,
  relativeDifference,
  runOnce,
  scalar,
  shakenState,
  tinyConfiguration,
} from '../support/tiny-model.ts'

vi.setConfig(compilationTimeouts)
const folder = folderForTests('videomae-variants-')

const configuration = tinyConfiguration({
  imageSize: [8, 16],
  encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2, layerScale: true },
  decoder: { width: 8, depth: 2, heads: 2, mlpRatio: 2, layerScale: true },
  positions: 'learned',
  attentionBias: false,
})
const labels = ['a', 'b', 'c']
const classifierState = shakenState(parameterShapes(configuration, 'classify', 3))
const frames = randomClips(configuration, 2)
const update = (step: number) => ({ learningRate: scalar(1e-2), weightDecay: scalar(0.1), step: scalar(step) })

const emulation = testDeviceMissing()
type Open = (programs: readonly Program[]) => Promise<EngineSession> | EngineSession
const openOnnx: Open = (programs) => onnxEngine.open(programs)
const openNative: Open = (programs) => inThreadNativeEngine.open(programs, { precision: 'float32' })
const openTfjs: Open = (programs) => inThreadTfjsEngine.open(programs, { device: 'cpu' })
const native = await inThreadNativeEngine.probe()
const openCuda: Open = (programs) => {
  buildEmulatedToolkit()
  return openTestSession(programs, { precision: 'float32' })
}
const engines: readonly (readonly [string, Open])[] = [
  ['onnx', openOnnx],
  ['tfjs', openTfjs],
  ...(native.available ? [['native', openNative] as const] : []),
  ...(emulation === null ? [['cuda', openCuda] as const] : []),
]

describe.each(engines)('on the %s engine', (_, open) => {
  test.each(['pretrain', 'finetune'] as const)('three AdamW steps follow the reference (%s)', async (kind) => {
    const { visible, masked, counts } = randomMasks(configuration, 2)
    const optimizer = { learningRateScale: layerWiseScale(2, 0.75) }
    const training =
      kind === 'pretrain'
        ? buildPretrainProgram({ configuration, batch: 2, ...counts, optimizer })
        : buildFinetuneProgram({ configuration, batch: 2, classes: 3, optimizer })
    const inputs: Record<string, InputValue> =
      kind === 'pretrain' ? { visible, masked } : { targets: Float32Array.of(1, 0, 0, 0, 0.5, 0.5) }
    const state = shakenState(training.parameters)
    const expected = await openWith(training.programs, state)
    const actual = await open(training.programs)
    try {
      await actual.writeState(state)
      for (let step = 1; step <= 3; step++) {
        const all = { frames, ...inputs, ...update(step) }
        const [a, b] = [await actual.run(training.step, all), await expected.run(training.step, all)]
        expect(relativeDifference(a.loss, b.loss), `loss of step ${step}`).toBeLessThan(1e-4)
      }
      const names = [
        'encoder.pos_embed',
        'encoder.blocks.0.gamma_1',
        'encoder.blocks.1.gamma_2',
        'encoder.blocks.1.attn.qkv.weight',
      ]
      const [a, b] = [await actual.readState(names), await expected.readState(names)]
      for (const name of names) {
        expect(relativeDifference(a.get(name)!, b.get(name)!), name).toBeLessThan(2e-3)
        expect(relativeDifference(b.get(name)!, state.get(name)!), `${name} learns`).toBeGreaterThan(1e-3)
      }
    } finally {
      await actual.close()
      await expected.close()
    }
  })
})

describe('a classifier with LayerScale and learned positions', () => {
  const location = path.join(folder, 'checkpoint')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  const save = () =>
    saveClassifier(location, { configuration, head: { kind: 'linear' }, state: classifierState, labels, sampling })

  test.each(['float32', 'float16', 'int8'] as const)(
    'is exported in %s as what the reference computes',
    async (precision) => {
      await save()
      const out = path.join(folder, `${precision}.onnx`)
      const { warnings } = await exportClassifier(location, { out, precision, clips: frames })
      expect(warnings).toEqual([])
      const { probabilities } = await runOnce(
        buildClassifyProgram({ configuration, batch: 2, classes: 3 }),
        classifierState,
        { frames },
      )
      const classifier = await openAnyClassifier(out)
      try {
        expect(relativeDifference(await classifier.probabilities(frames), probabilities)).toBeLessThan(
          precision === 'float32' ? 1e-4 : 0.05,
        )
      } finally {
        await classifier.close()
      }
      const encoder = await exportEncoder(location, {
        out: path.join(folder, 'encoder.onnx'),
        clips: frames,
        compareWith: 'reference',
      })
      expect(encoder.check.largestDifference).toBeLessThan(1e-4)
    },
  )

  test('is trained on at another resolution from an interpolated table', async () => {
    await save()
    const source = await openSource(finetuneConfiguration({ model: { from: location, resolution: [16, 16] } }))
    expect(source.configuration).toMatchObject({ imageSize: [16, 16], positions: 'learned' })
    const table = source.state.get('encoder.pos_embed')!
    expect(table.length).toBe(2 * 4 * 4 * 12)
    // Everything else is as it was.
    for (const [name, values] of source.state)
      if (name !== 'encoder.pos_embed') expect(values).toEqual(classifierState.get(name))
  })

  test('whose exported weights are not finite is refused by the name of the tensor', async () => {
    await save()
    const out = path.join(folder, 'damaged.onnx')
    await exportClassifier(location, { out, clips: frames })
    const model = await readModel(out)
    const tensor = model.graph.initializers.find(({ data }) => data instanceof Float32Array && data.length > 20)!
    ;(tensor.data as Float32Array)[3] = Number.NaN
    await writeModel(out, model)
    const description = path.join(folder, 'damaged.json') // of the file as it was
    const other = { code: 'ONNX_INVALID', message: expect.stringContaining(description) }
    await expect(openAnyClassifier(out)).rejects.toMatchObject(other)
    rmSync(description)
    await expect(openAnyClassifier(out)).rejects.toMatchObject({
      code: 'WEIGHTS_NOT_FINITE',
      exit: 'data',
      message: expect.stringContaining(tensor.name),
    })
  })

  test('that gives NaN from finite weights answers with an error, not with NaN', async () => {
    const wild = new Map(classifierState)
    // Products beyond the range of float32.
    wild.set(
      'head.weight',
      classifierState.get('head.weight')!.map((value) => Math.sign(value) * 3e38),
    )
    const huge = path.join(folder, 'huge')
    await saveClassifier(huge, { configuration, head: { kind: 'linear' }, state: wild, labels, sampling })
    const classifier = await openAnyClassifier(huge)
    try {
      const entry = { path: 'x', id: 'x' }
      const geometry = { crop: { x: 0, y: 0, width: 16, height: 8 }, scale: { width: 16, height: 8 }, flip: false }
      const clip = randomClips(configuration, 1)
      const loaded = [
        { index: 0, entry, ok: true as const, clips: clip, views: [{ frames: [0], startSeconds: 0, geometry }] },
      ]
      const answer = async () => {
        for await (const prediction of predictFrom(classifier, loaded)) return prediction
      }
      await expect(answer()).rejects.toMatchObject({ code: 'OUTPUT_NOT_FINITE', exit: 'data' })
    } finally {
      await classifier.close()
    }
  })
})
