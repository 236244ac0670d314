import { describe, expect, test } from 'vitest'
import {
  openWith,
  randomClips,
  randomMasks,
  relativeDifference,
  scalar,
  shakenState,
  tinyConfiguration,
} from '../../test/support/tiny-model.ts'
import { decays, layerWiseScale, parameterShapes } from './parameters.ts'
import { buildPretrainProgram } from './pretrain.ts'
import { gradientOutput, type OptimizerOptions, stateNames, withEma } from './training-programs.ts'

const configuration = tinyConfiguration()
const batch = 4
const frames = randomClips(configuration, batch)
const { visible, masked, counts } = randomMasks(configuration, batch)
const shapes = parameterShapes(configuration, 'pretrain')
const state = shakenState(shapes)

const build = (optimizer: OptimizerOptions | null, size = batch, gradients = false) =>
  buildPretrainProgram({ configuration, batch: size, ...counts, optimizer, gradients })

/** The inputs of some clips of the batch. */
const part = (from: number, to: number) => ({
  frames: frames.subarray((from * frames.length) / batch, (to * frames.length) / batch),
  visible: visible.subarray(from * counts.visible, to * counts.visible),
  masked: masked.subarray(from * counts.masked, to * counts.masked),
})

const update = (step: number, learningRate = 1e-2, weightDecay = 0.1) => ({
  learningRate: scalar(learningRate),
  weightDecay: scalar(weightDecay),
  step: scalar(step),
})

describe('training programs', () => {
  test('with accumulated halves make the step of the whole batch', async () => {
    const whole = build({})
    const halves = build({ accumulate: true }, batch / 2)
    expect(halves).toMatchObject({ step: 'pretrain.accumulate', apply: 'pretrain.apply' })
    const a = await openWith(whole.programs, state)
    const b = await openWith(halves.programs, state)
    for (let step = 1; step <= 3; step++) {
      const { gradientNorm } = await a.run(whole.step, { ...part(0, batch), ...update(step) })
      for (const [from, to] of [
        [0, 2],
        [2, 4],
      ] as const) {
        await b.run(halves.step, { ...part(from, to), gradientWeight: scalar(0.5) })
      }
      const applied = await b.run(halves.apply!, update(step))
      expect(applied.gradientNorm[0] / gradientNorm[0]).toBeCloseTo(1, 5)
    }
    const [actual, expected] = [await b.readState([...shapes.keys()]), await a.readState([...shapes.keys()])]
    for (const [name, values] of expected) {
      expect(values).not.toEqual(state.get(name))
      expect(relativeDifference(actual.get(name)!, values), name).toBeLessThan(1e-4)
    }
    for (const values of (await b.readState(halves.trained.map(stateNames.accumulator))).values()) {
      expect(values.every((value) => value === 0)).toBe(true)
    }
  })

  test('decay matrices only', async () => {
    const { programs, step } = build({})
    const decayed = await openWith(programs, state)
    const free = await openWith(programs, state)
    await decayed.run(step, { ...part(0, batch), ...update(1, 1e-2, 0.5) })
    await free.run(step, { ...part(0, batch), ...update(1, 1e-2, 0) })
    const [a, b] = [await decayed.readState([...shapes.keys()]), await free.readState([...shapes.keys()])]
    for (const [name, shape] of shapes) {
      if (decays(name, shape)) {
        const start = state.get(name)!
        const expected = b.get(name)!.map((value, i) => value - 1e-2 * 0.5 * start[i])
        expect(relativeDifference(a.get(name)!, expected), name).toBeLessThan(1e-5)
      } else expect(a.get(name), name).toEqual(b.get(name))
    }
    const matrices = [...shapes].filter(([name, shape]) => decays(name, shape)).map(([name]) => name)
    expect(matrices.every((name) => name.endsWith('.weight') && !/norm\d?\.weight$/.test(name))).toBe(true)
    expect(matrices).toHaveLength(4 * 4 + 3)
  })

  test('scale the learning rate per parameter', async () => {
    const learningRateScale = (name: string) => (name === 'mask_token' ? 0.25 : 1)
    const plain = build({})
    const scaled = build({ learningRateScale })
    const a = await openWith(plain.programs, state)
    const b = await openWith(scaled.programs, state)
    await a.run(plain.step, { ...part(0, batch), ...update(1) })
    await b.run(scaled.step, { ...part(0, batch), ...update(1) })
    const full = (await a.readState(['mask_token'])).get('mask_token')!
    const quarter = (await b.readState(['mask_token'])).get('mask_token')!
    const start = state.get('mask_token')!
    for (let i = 0; i < start.length; i++) expect((quarter[i] - start[i]) / (full[i] - start[i])).toBeCloseTo(0.25, 3)
    expect((await b.readState(['decoder.norm.bias'])).get('decoder.norm.bias')).toEqual(
      (await a.readState(['decoder.norm.bias'])).get('decoder.norm.bias'),
    )
  })

  test('leave frozen parameters alone', async () => {
    const built = build({ trainable: (name) => name.startsWith('decoder.') })
    const session = await openWith(built.programs, state)
    await session.run(built.step, { ...part(0, batch), ...update(1) })
    for (const [name, values] of await session.readState([...shapes.keys()])) {
      if (name.startsWith('decoder.')) expect(values, name).not.toEqual(state.get(name))
      else expect(values, name).toEqual(state.get(name))
    }
    expect(built.trained.every((name) => name.startsWith('decoder.'))).toBe(true)
    expect(() => build({ trainable: () => false })).toThrow(/at least one parameter/)
  })

  test('keep a moving average, from which a program can read', async () => {
    const built = build({ ema: true })
    const evaluate = build(null)
    const averaged = withEma({ ...evaluate.programs[0], name: 'evaluate' }, built.trained)
    const session = await openWith([...built.programs, averaged], state)
    await session.writeState(new Map([...state].map(([name, values]) => [stateNames.ema(name), values])))
    const before = (await session.run(averaged.name, part(0, batch))).loss[0]
    await session.run(built.step, { ...part(0, batch), ...update(1), emaDecay: scalar(0.75) })
    const [name, average] = ['decoder.head.weight', stateNames.ema('decoder.head.weight')]
    const read = await session.readState([name, average])
    const expected = read.get(name)!.map((value, i) => 0.25 * value + 0.75 * state.get(name)![i])
    expect(relativeDifference(read.get(average)!, expected)).toBeLessThan(1e-6)
    const after = (await session.run(averaged.name, part(0, batch))).loss[0]
    expect(after).not.toBe(before)
    const other = await openWith(evaluate.programs, state)
    await other.writeState(
      new Map(
        [...(await session.readState(built.trained.map(stateNames.ema)))].map(([key, values]) => [
          key.slice('ema/'.length),
          values,
        ]),
      ),
    )
    expect((await other.run(evaluate.step, part(0, batch))).loss[0]).toBeCloseTo(after, 6)
  })

  test('clip the global gradient norm and report it unclipped', async () => {
    const gradients = build(null, batch, true)
    const session = await openWith(gradients.programs, state)
    const outputs = await session.run(gradients.step, part(0, batch))
    let squares = 0
    for (const name of shapes.keys()) for (const value of outputs[gradientOutput(name)]) squares += value * value
    const norm = Math.sqrt(squares)
    const clipped = build({ clipNorm: norm / 10 })
    const training = await openWith(clipped.programs, state)
    const { gradientNorm } = await training.run(clipped.step, { ...part(0, batch), ...update(1) })
    expect(gradientNorm[0] / norm).toBeCloseTo(1, 5)
    const moment = stateNames.firstMoment('mask_token')
    const first = (await training.readState([moment])).get(moment)!
    const expected = outputs[gradientOutput('mask_token')].map((value) => 0.1 * 0.1 * value)
    expect(relativeDifference(first, expected)).toBeLessThan(1e-4)
  })
})

describe('layerWiseScale', () => {
  test('has the factors of ViT-B fine-tuning at 0.75', () => {
    const scale = layerWiseScale(12, 0.75)
    expect(scale('encoder.patch_embed.proj.weight')).toBeCloseTo(0.75 ** 13, 12)
    expect(scale('encoder.blocks.0.norm1.weight')).toBeCloseTo(0.75 ** 12, 12)
    expect(scale('encoder.blocks.11.mlp.fc2.bias')).toBeCloseTo(0.75, 12)
    for (const name of ['head.weight', 'fc_norm.bias', 'encoder.norm.weight']) expect(scale(name)).toBe(1)
    expect(() => layerWiseScale(12, 0)).toThrow(/layer decay/)
  })
})
