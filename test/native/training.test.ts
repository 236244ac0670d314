/**
 * Whole training programs on the native engine against the float64 reference, at every level of this processor; and what
 * a session promises beyond that: the same bits for any number of threads, with and without recomputation, and runs that
 * can be canceled. Oracle: src/engine/reference.
 */
import { describe, expect, test, vi } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import type { RunInputs } from '../../src/engine/engine.ts'
import { nativeEngine, openNativeSession } from '../../src/engine/native/index.ts'
import type { NativeSessionOptions } from '../../src/engine/native/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { buildFinetuneProgram } from '../../src/model/classify.ts'
import { dropPathFactors } from '../../src/model/drop-path.ts'
import { layerWiseScale, parameterShapes } from '../../src/model/parameters.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import { relativeError } from '../support/case-builder.ts'
import { openWith, randomClips, randomMasks, scalar, shakenState, tinyConfiguration } from '../support/tiny-model.ts'
import { nativeMissing, nativeTimeouts, openNative, testedLevels } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const missing = nativeMissing()
/** 32 tokens, 8 of them visible; widths that do not fill vectors. */
const configuration = tinyConfiguration({
  imageSize: 16,
  encoder: { width: 72, depth: 2, heads: 3, mlpRatio: 2 },
  decoder: { width: 40, depth: 2, heads: 2, mlpRatio: 2 },
})
const batch = 2
const frames = randomClips(configuration, batch)
const { visible, masked, counts } = randomMasks(configuration, batch)
const shapes = parameterShapes(configuration, 'pretrain')
const state = shakenState(shapes)
const schedule = (step: number): RunInputs => ({
  learningRate: scalar(1e-2),
  weightDecay: scalar(0.1),
  step: scalar(step),
})
const pretraining = () => buildPretrainProgram({ configuration, batch, ...counts, optimizer: { clipNorm: 0.5 } })
const level = testedLevels[0]

function together(actual: ReadonlyMap<string, Float32Array>, expected: ReadonlyMap<string, Float32Array>): number {
  const join = (values: ReadonlyMap<string, Float32Array>): number[] =>
    [...expected.keys()].flatMap((name) => [...(values.get(name) ?? [])])
  return relativeError(join(actual), join(expected))
}

/** Losses, norms and weights of three steps. */
async function bits(options: Partial<NativeSessionOptions>): Promise<Float32Array[]> {
  const built = pretraining()
  const session = await openNative(built.programs, level, options)
  await session.writeState(state)
  const results: Float32Array[] = []
  for (let step = 1; step <= 3; step++) {
    const { loss, gradientNorm } = await session.run(built.step, { frames, visible, masked, ...schedule(step) })
    results.push(loss, gradientNorm)
  }
  results.push(...(await session.readState([...shapes.keys()])).values())
  await session.close()
  return results
}

describe.skipIf(missing !== null)(`training on the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  test.each(testedLevels.flatMap((one) => [[one, 'float32', 1e-4] as const, [one, 'bfloat16', 2e-2] as const]))(
    'at %s, pretraining in %s follows the reference over 4 AdamW steps',
    async (one, precision, tolerance) => {
      const built = pretraining()
      const reference = await openWith(built.programs, state)
      const native = await openNative(built.programs, one, { precision })
      await native.writeState(state)
      for (let step = 1; step <= 4; step++) {
        const inputs = { frames, visible, masked, ...schedule(step) }
        const [expected, actual] = [await reference.run(built.step, inputs), await native.run(built.step, inputs)]
        expect(relativeError(actual.loss, expected.loss), `loss of step ${step}`).toBeLessThan(tolerance)
        expect(relativeError(actual.gradientNorm, expected.gradientNorm), `norm of step ${step}`).toBeLessThan(
          tolerance,
        )
      }
      const names = [...shapes.keys()]
      expect(together(await native.readState(names), await reference.readState(names))).toBeLessThan(tolerance)
      await native.close()
    },
  )

  test('fine-tuning with drop path, layer-wise rates and accumulation follows the reference', async () => {
    const built = buildFinetuneProgram({
      configuration,
      batch,
      classes: 5,
      dropPath: true,
      dropout: false,
      optimizer: { accumulate: true, ema: true, learningRateScale: layerWiseScale(2, 0.75) },
    })
    const start = shakenState(built.parameters)
    const reference = await openWith(built.programs, start)
    const native = await openNative(built.programs, level, {})
    await native.writeState(start)
    const targets = Float32Array.from({ length: batch * 5 }, (_, i) => (i % 5 === Math.floor(i / 5) ? 1 : 0))
    for (const program of built.programs) {
      const given: Record<string, RunInputs[string]> = {
        frames,
        targets,
        dropPath: dropPathFactors(2, 0.4, batch, (sample) => new RandomStream(7, 'drop path', sample)),
        ...schedule(1),
        gradientWeight: scalar(0.5),
        emaDecay: scalar(0.9),
      }
      const inputs = Object.fromEntries(program.inputs.map(({ name }) => [name, given[name]]))
      const [expected, actual] = [await reference.run(program.name, inputs), await native.run(program.name, inputs)]
      for (const [name, values] of Object.entries(expected)) {
        expect(relativeError(actual[name], values), `${program.name}: ${name}`).toBeLessThan(1e-4)
      }
    }
    expect(together(await native.readState(), await reference.readState())).toBeLessThan(1e-4)
    await native.close()
  })

  test.each(['float32', 'bfloat16'] as const)(
    'in %s has the same bits with any number of threads',
    async (precision) => {
      const one = await bits({ precision, threads: 1 })
      for (const threads of [2, 3, 5]) expect(await bits({ precision, threads }), `${threads} threads`).toEqual(one)
      expect(await bits({ precision, threads: 2 }), 'a second session').toEqual(one)
    },
  )

  test.each([
    ['float32', 'cheap'],
    ['float32', 'blocks'],
    ['bfloat16', 'blocks'],
  ] as const)('in %s has the same bits with recomputation of %s', async (precision, recompute) => {
    expect(await bits({ precision, recompute })).toEqual(await bits({ precision }))
  })

  test('a canceled run changes nothing, says so, and the next run is whole', async () => {
    const built = pretraining()
    const session = await openNative(built.programs, level, {})
    await session.writeState(state)
    const inputs = { frames, visible, masked, ...schedule(1) }
    const running = session.run(built.step, inputs)
    // The run has begun once the first turn is over, and is canceled between two of its steps or not at all.
    await Promise.resolve()
    session.cancel()
    const outcome = await running.then(
      () => 'done',
      (error: unknown) => error,
    )
    if (outcome !== 'done') {
      expect(outcome).toMatchObject({ code: 'ENGINE_CANCELED', message: expect.stringContaining('pretrain: ') })
      expect(await session.readState([...shapes.keys()])).toEqual(state)
    }
    expect((await session.run(built.step, inputs)).loss[0]).toBeGreaterThan(0)
    await session.close()
  })

  test.each([
    ['in this thread', openNativeSession],
    ['in a thread of its own', nativeEngine.open],
  ])('cancels a run of many minutes %s, also before it has begun', async (_, open) => {
    const graph = new Graph('long')
    const weight = graph.state('weight', [2048, 2048])
    let x = graph.input('x', [4096, 2048])
    for (let i = 0; i < 3000; i++) x = linear(x, weight)
    const session = await open([graph.build({ x })], { threads: 1 })
    // What is written is packed at the next run, before the program begins.
    await session.writeState(new Map([['weight', new Float32Array(2048 ** 2)]]))
    for (const wait of [0, 500]) {
      const running = session.run('long', { x: new Float32Array(4096 * 2048) })
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      session.cancel?.()
      await expect(running).rejects.toMatchObject({ code: 'ENGINE_CANCELED', exit: 'interrupted' })
    }
    await session.close()
  })

  test('names the steps of a profile by their operations', async () => {
    const built = pretraining()
    const session = await openNative(built.programs, level, {})
    const times = await session.profile(built.step, { frames, visible, masked, ...schedule(1) })
    expect(times.some(({ label }) => label.startsWith('pretrain: attentionGradient #'))).toBe(true)
    expect(times.every(({ milliseconds }) => milliseconds >= 0)).toBe(true)
    await session.close()
  })
})
