import type { Tensor } from 'onnxruntime-node'
import * as ort from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { lowerProgram } from '../../src/engine/onnx/lowering/lower-program.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { encodeModel } from '../../src/format/onnx.ts'
import type { Program } from '../../src/graph/program.ts'
import { buildClassifyProgram, buildHeadProgram } from '../../src/model/classify.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { buildEncodeProgram } from '../../src/model/encode-program.ts'
import { initialize } from '../../src/model/initialize.ts'
import type { ModelState } from '../../src/model/model-state.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import { relativeError } from '../support/operation-cases.ts'

const configuration = resolveConfiguration({
  imageSize: [32, 48],
  frames: 4,
  encoder: { width: 24, depth: 2, heads: 3 },
})
const classes = 5
const pixels = 4 * 32 * 48 * 3

const programs: Record<string, (batch: number) => Program> = {
  'encoder, uint8': (batch) => buildEncodeProgram({ configuration, batch }),
  'encoder, normalized frames with channels first': (batch) =>
    buildEncodeProgram({ configuration, batch, input: 'float32', layout: 'BTCHW' }),
  classifier: (batch) => buildClassifyProgram({ configuration, batch, classes }),
  'classifier that reads its first token': (batch) =>
    buildClassifyProgram({ configuration: { ...configuration, useMeanPooling: false }, batch, classes }),
}

function weights(program: Program): Map<string, Float32Array> {
  const random = new RandomStream(1, 'weights')
  return new Map(
    program.state.map(({ name, tensor }) => {
      const length = program.tensors[tensor].shape.reduce((a, b) => a * b, 1)
      return [name, Float32Array.from({ length }, () => random.normal(name.includes('norm') ? 1 : 0, 0.2))]
    }),
  )
}

function frames(program: Program, batch: number): Uint8Array | Float32Array {
  const random = new RandomStream(2, 'frames')
  const bytes = Uint8Array.from({ length: batch * pixels }, () => random.integer(256))
  return program.tensors[program.inputs[0].tensor].dtype === 'uint8'
    ? bytes
    : Float32Array.from(bytes, (x) => x / 64 - 2)
}

/** Oracle: the same model built for that batch, in the reference engine. */
async function reference(
  program: Program,
  state: ModelState,
  inputs: Readonly<Record<string, Uint8Array | Float32Array>>,
) {
  const session = await referenceEngine.open([program])
  await session.writeState(state)
  const outputs = await session.run(program.name, inputs)
  await session.close()
  return outputs
}

describe('a program as a model file', () => {
  test.each(Object.keys(programs))('%s: standard operators, weights inside, any batch', async (name) => {
    const program = programs[name](2)
    const state = weights(program)
    const model = lowerProgram(program, { standardOnly: true, dynamicBatch: true, embeddedState: state })
    expect(model.opsets).toEqual([{ domain: '', version: 17 }])
    expect(model.graph.nodes.filter(({ domain }) => domain !== undefined)).toEqual([])
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(['frames'])
    expect(model.graph.inputs[0].shape[0]).toBe('batch')
    const session = await ort.InferenceSession.create(encodeModel(model))
    try {
      for (const batch of [1, 2, 3]) {
        const same = programs[name](batch)
        const clip = frames(same, batch)
        const shape = same.tensors[same.inputs[0].tensor].shape
        const outputs: Record<string, Tensor> = await session.run({ frames: new ort.Tensor(clip, shape) })
        const expected = await reference(same, state, { frames: clip })
        expect(Object.keys(outputs)).toEqual(Object.keys(expected))
        for (const [output, values] of Object.entries(expected)) {
          const actual = outputs[output].data as Float32Array
          expect(relativeError(actual, values), `${output} at batch ${batch}`).toBeLessThan(1e-5)
        }
      }
    } finally {
      await session.release()
    }
  })

  test('an attentive probe, whose query is repeated to the batch of the run', async () => {
    const build = (batch: number): Program => {
      const options = { head: 'attentive', batch, width: 24, tokens: 6, heads: 3, classes, optimizer: null } as const
      const { programs } = buildHeadProgram(options)
      const [program] = programs
      return { ...program, outputs: program.outputs.filter(({ name }) => name === 'logits') }
    }
    const program = build(2)
    const state = weights(program)
    const model = lowerProgram(program, { standardOnly: true, dynamicBatch: true, embeddedState: state })
    const session = await ort.InferenceSession.create(encodeModel(model))
    const random = new RandomStream(3, 'features')
    for (const batch of [1, 4]) {
      const features = Float32Array.from({ length: batch * 6 * 24 }, () => random.normal())
      const targets = new Float32Array(batch * classes)
      const feeds: Record<string, Tensor> = { features: new ort.Tensor(features, [batch, 6, 24]) }
      if (session.inputNames.includes('targets')) feeds.targets = new ort.Tensor(targets, [batch, classes])
      const { logits } = await session.run(feeds)
      const expected = await reference(build(batch), state, { features, targets })
      expect(relativeError(logits.data as Float32Array, expected.logits)).toBeLessThan(1e-5)
    }
    await session.release()
  })

  test('says so where standard operators do not reach: attention has no standard gradient', () => {
    const options = { configuration, batch: 2, visible: 4, masked: 8, optimizer: {} } as const
    const [training] = buildPretrainProgram(options).programs
    expect(() => lowerProgram(training, { standardOnly: true })).toThrow(
      expect.objectContaining({ code: 'PROGRAM_UNSUPPORTED', message: expect.stringContaining('FusedMatMul') }),
    )
    expect(lowerProgram(training).opsets.map(({ domain }) => domain)).toEqual(['', 'com.microsoft'])
  })

  test('refuses a batch it cannot follow and state it was not given', () => {
    const [single, double] = [programs.classifier(1), programs.classifier(2)]
    expect(() => lowerProgram(single, { dynamicBatch: true })).toThrow(
      expect.objectContaining({ code: 'PROGRAM_UNSUPPORTED' }),
    )
    const state = initialize(parameterShapes(configuration, 'classify', classes), 1)
    const short = new Map(state).set('head.bias', new Float32Array(classes + 1))
    expect(() => lowerProgram(double, { embeddedState: short })).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    )
    short.delete('head.bias')
    expect(() => lowerProgram(double, { embeddedState: short })).toThrow(
      expect.objectContaining({ code: 'STATE_MISSING' }),
    )
    expect(lowerProgram(double, { metadata: { mean: '0.5' } }).metadata).toEqual({ mean: '0.5' })
  })
})
