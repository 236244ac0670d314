/**
 * Whole training programs on the emulated device against the float64 reference: pretraining and fine-tuning of a small
 * model, several AdamW steps, in float32 and bfloat16. Oracle: src/engine/reference. Runs on any machine with g++.
 */
import { describe, expect, test, vi } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import type { RunInputs, RunOutputs } from '../../src/engine/engine.ts'
import { buildFinetuneProgram } from '../../src/model/classify.ts'
import { dropoutFactors, dropPathFactors } from '../../src/model/drop-path.ts'
import { layerWiseScale, parameterShapes } from '../../src/model/parameters.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import { gradientOutput, stateNames, type TrainingPrograms } from '../../src/model/training-programs.ts'
import { relativeError } from '../support/case-builder.ts'
import { compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { testDeviceMissing, testDeviceName } from '../support/cuda-test-device.ts'
import { openTestSession } from '../support/run-operation-case.ts'
import { openWith, randomClips, randomMasks, scalar, shakenState, tinyConfiguration } from '../support/tiny-model.ts'

vi.setConfig(compilationTimeouts)
const missing = testDeviceMissing()
/** Heads of 32 and of 16 values, so that bfloat16 takes the tensor-core kernels; 32 tokens, 8 of them visible. */
const configuration = tinyConfiguration({
  imageSize: 16,
  encoder: { width: 64, depth: 2, heads: 2, mlpRatio: 2 },
  decoder: { width: 32, depth: 1, heads: 2, mlpRatio: 2 },
})
const batch = 2
const frames = randomClips(configuration, batch)
const { visible, masked, counts } = randomMasks(configuration, batch)
const pretrainShapes = parameterShapes(configuration, 'pretrain')
const pretrainState = shakenState(pretrainShapes)
const schedule = (step: number, learningRate = 1e-2): RunInputs => ({
  learningRate: scalar(learningRate),
  weightDecay: scalar(0.1),
  step: scalar(step),
})

type Precision = 'float32' | 'bfloat16'

async function openBoth(
  { programs }: TrainingPrograms,
  state: ReadonlyMap<string, Float32Array>,
  precision: Precision,
) {
  const reference = await openWith(programs, state)
  const cuda = openTestSession(programs, { precision })
  await cuda.writeState(state)
  return { reference, cuda }
}

/** Norm of the difference of all named tensors together, relative to the norm of the expected ones. */
function together(actual: ReadonlyMap<string, Float32Array>, expected: ReadonlyMap<string, Float32Array>): number {
  const join = (values: ReadonlyMap<string, Float32Array>): number[] =>
    [...expected.keys()].flatMap((name) => [...(values.get(name) ?? [])])
  return relativeError(join(actual), join(expected))
}

describe.skipIf(missing !== null)(`training on ${testDeviceName}${missing === null ? '' : ` (${missing})`}`, () => {
  test.each([
    ['float32', 1e-4],
    ['bfloat16', 2e-2],
  ] as const)('pretraining in %s follows the reference over 4 AdamW steps', async (precision, tolerance) => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: { clipNorm: 0.5 } })
    const { reference, cuda } = await openBoth(built, pretrainState, precision)
    for (let step = 1; step <= 4; step++) {
      const inputs = { frames, visible, masked, ...schedule(step) }
      const expected = await reference.run(built.step, inputs)
      const actual = await cuda.run(built.step, inputs)
      expect(relativeError(actual.loss, expected.loss), `loss of step ${step}`).toBeLessThan(tolerance)
      const norms = relativeError(actual.gradientNorm, expected.gradientNorm)
      expect(norms, `gradient norm of step ${step}`).toBeLessThan(tolerance)
    }
    const names = [...pretrainShapes.keys()]
    const [expected, actual] = [await reference.readState(names), await cuda.readState(names)]
    expect(together(actual, expected)).toBeLessThan(tolerance)
    await cuda.close()
  })

  test.each([
    ['float32', 1e-4],
    ['bfloat16', 2e-2],
  ] as const)('every gradient of pretraining in %s', async (precision, tolerance) => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, prediction: true, gradients: true })
    const { reference, cuda } = await openBoth(built, pretrainState, precision)
    const inputs = { frames, visible, masked }
    const expected = await reference.run(built.step, inputs)
    const actual = await cuda.run(built.step, inputs)
    const gradients = (outputs: typeof actual) =>
      new Map(built.trained.map((name) => [name, outputs[gradientOutput(name)]]))
    expect(together(gradients(actual), gradients(expected))).toBeLessThan(tolerance)
    // Each one by itself too; a small one among large ones carries the rounding of all activations.
    for (const [name, values] of gradients(expected)) {
      const error = relativeError(gradients(actual).get(name) ?? [], values, 1e-3)
      expect(error, name).toBeLessThan(precision === 'float32' ? tolerance : 0.1)
    }
    await cuda.close()
  })

  test.each([
    ['float32', 1e-4],
    ['bfloat16', 2e-2],
  ] as const)(
    'fine-tuning in %s with drop path, dropout, accumulation, layer-wise rates and averages',
    async (precision, tolerance) => {
      const classes = 5
      const shapes = parameterShapes(configuration, 'classify', classes)
      const state = shakenState(shapes)
      const built = buildFinetuneProgram({
        configuration,
        batch,
        classes,
        dropPath: true,
        dropout: true,
        optimizer: {
          beta2: 0.999,
          accumulate: true,
          ema: true,
          clipNorm: 1,
          learningRateScale: layerWiseScale(2, 0.75),
        },
      })
      const averages = built.trained.map((name) => [stateNames.ema(name), state.get(name)!] as const)
      const { reference, cuda } = await openBoth(built, new Map([...state, ...averages]), precision)
      const targets = new Float32Array(batch * classes).fill(0.02)
      targets[1] += 0.9
      targets[classes + 3] += 0.9
      for (let step = 1; step <= 3; step++) {
        for (let micro = 0; micro < 2; micro++) {
          const stream = (sample: number) => new RandomStream(step, micro, sample)
          const inputs = {
            frames: randomClips(configuration, batch, 10 * step + micro),
            targets,
            dropPath: dropPathFactors(2, 0.4, batch, stream),
            dropout: dropoutFactors(64, 0.3, batch, stream),
            gradientWeight: scalar(0.5),
          }
          const expected = await reference.run(built.step, inputs)
          const actual = await cuda.run(built.step, inputs)
          expect(relativeError(actual.loss, expected.loss), `loss of step ${step}`).toBeLessThan(tolerance)
          expect(relativeError(actual.logits, expected.logits), `logits of step ${step}`).toBeLessThan(3 * tolerance)
        }
        // Small: the first step of AdamW goes by the signs of gradients, and rounding decides those near zero.
        const apply = { ...schedule(step, 2e-3), emaDecay: scalar(0.9) }
        await reference.run(built.apply!, apply)
        await cuda.run(built.apply!, apply)
      }
      for (const names of [built.trained, built.trained.map(stateNames.ema)]) {
        const [expected, actual] = [await reference.readState(names), await cuda.readState(names)]
        expect(together(actual, expected)).toBeLessThan(tolerance)
      }
      await cuda.close()
    },
  )

  test.each([
    ['float32', 'cheap', 0],
    ['float32', 'blocks', 0],
    // The GELU of the fused product is the approximation by tanh, the one that runs again is exact.
    ['bfloat16', 'cheap', 1e-2],
    ['bfloat16', 'blocks', 0],
  ] as const)('gradients in %s with recomputation of %s are those without', async (precision, recompute, tolerance) => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, gradients: true })
    const results: RunOutputs[] = []
    for (const mode of ['none', recompute] as const) {
      const cuda = openTestSession(built.programs, { precision, recompute: mode })
      await cuda.writeState(pretrainState)
      results.push(await cuda.run(built.step, { frames, visible, masked }))
      await cuda.close()
    }
    const [expected, actual] = results
    for (const [name, values] of Object.entries(expected)) {
      if (tolerance === 0) expect(actual[name], name).toEqual(values)
      else expect(relativeError(actual[name], values, 1e-3), name).toBeLessThan(tolerance)
    }
  })

  test.each(['float32', 'bfloat16'] as const)('repeats a %s run bit by bit', async (precision) => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: {} })
    const results: number[][] = []
    for (let session = 0; session < 2; session++) {
      const cuda = openTestSession(built.programs, { precision })
      await cuda.writeState(pretrainState)
      const losses: number[] = []
      for (let step = 1; step <= 3; step++) {
        const { loss, gradientNorm } = await cuda.run(built.step, { frames, visible, masked, ...schedule(step) })
        losses.push(loss[0], gradientNorm[0])
      }
      results.push(losses)
      await cuda.close()
    }
    expect(results[1]).toEqual(results[0])
  })

  test('leaves parameters and moments alone when a gradient is not finite', async () => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: {} })
    const broken = new Map(pretrainState)
    const [name, values] = [...pretrainState].find(([candidate]) => candidate.endsWith('weight')) ?? [
      '',
      new Float32Array(),
    ]
    broken.set(
      name,
      values.map((value, i) => (i === 0 ? Number.NaN : value)),
    )
    const cuda = openTestSession(built.programs, { precision: 'float32' })
    await cuda.writeState(broken)
    const { gradientNorm } = await cuda.run(built.step, { frames, visible, masked, ...schedule(1) })
    expect(gradientNorm[0]).toBeNaN()
    const after = await cuda.readState([...pretrainShapes.keys()])
    for (const [parameter, expected] of broken) expect(after.get(parameter), parameter).toEqual(expected)
    await cuda.close()
  })
})
