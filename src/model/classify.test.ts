import { describe, expect, test } from 'vitest'
import {
  openWith,
  randomClips,
  relativeDifference,
  runOnce,
  scalar,
  shakenState,
  tinyConfiguration,
} from '../../test/support/tiny-model.ts'
import { RandomStream } from '../core/random.ts'
import { buildClassifyProgram, buildFinetuneProgram, buildHeadProgram } from './classify.ts'
import { dropoutFactors, dropPathFactors, dropPathRates, dropsPaths } from './drop-path.ts'
import { buildEncodeProgram } from './encode-program.ts'
import { initialize } from './initialize.ts'
import { parameterShapes } from './parameters.ts'

const configuration = tinyConfiguration()
const firstToken = tinyConfiguration({ useMeanPooling: false })
const batch = 3
const classes = 4
const width = configuration.encoder.width
const frames = randomClips(configuration, batch)
const shapes = parameterShapes(configuration, 'classify', classes)
const state = shakenState(shapes)
const targets = Float32Array.from([1, 0, 0, 0, 0.1, 0.7, 0.1, 0.1, 0, 0, 0.5, 0.5])

/** head(features) in JavaScript. */
function headLogits(features: Float32Array, from: ReadonlyMap<string, Float32Array>): Float32Array {
  const [weight, bias] = [from.get('head.weight')!, from.get('head.bias')!]
  return Float32Array.from({ length: batch * classes }, (_, i) => {
    const [b, k] = [Math.floor(i / classes), i % classes]
    let sum = bias[k]
    for (let j = 0; j < width; j++) sum += features[b * width + j] * weight[k * width + j]
    return sum
  })
}

describe('classifier', () => {
  test('reads the features that the encode program returns', async () => {
    const { logits, probabilities } = await runOnce(buildClassifyProgram({ configuration, batch, classes }), state, {
      frames,
    })
    const { pooled } = await runOnce(buildEncodeProgram({ configuration, batch, kind: 'classify' }), state, { frames })
    expect(relativeDifference(logits, headLogits(pooled, state))).toBeLessThan(1e-5)
    for (let b = 0; b < batch; b++) {
      const sum = probabilities.subarray(b * classes, (b + 1) * classes).reduce((x, y) => x + y, 0)
      expect(sum).toBeCloseTo(1, 5)
    }
  })

  test('without mean pooling reads token 0 behind the encoder norm', async () => {
    const other = shakenState(parameterShapes(firstToken, 'classify', classes))
    expect(other.has('encoder.norm.weight')).toBe(true)
    expect(other.has('fc_norm.weight')).toBe(false)
    const program = buildClassifyProgram({ configuration: firstToken, batch, classes })
    const { logits } = await runOnce(program, other, { frames })
    const encode = buildEncodeProgram({ configuration: firstToken, batch, kind: 'classify' })
    const { tokens } = await runOnce(encode, other, { frames })
    const first = Float32Array.from(
      { length: batch * width },
      (_, i) => tokens[Math.floor(i / width) * 8 * width + (i % width)],
    )
    expect(relativeDifference(logits, headLogits(first, other))).toBeLessThan(1e-5)
  })

  test('takes pixel_values: normalized float32 frames as [B, T, C, H, W]', async () => {
    const { mean, std } = configuration
    const [t, side] = [4, 8]
    const values = new Float32Array(frames.length)
    for (let i = 0; i < frames.length; i++) {
      const c = i % 3
      const pixel = Math.floor(i / 3)
      const [frame, offset] = [Math.floor(pixel / (side * side)), pixel % (side * side)]
      values[(frame * 3 + c) * side * side + offset] = (frames[i] / 255 - mean[c]) / std[c]
    }
    expect(values.length).toBe(batch * t * 3 * side * side)
    const options = { configuration, batch, classes }
    const a = await runOnce(buildClassifyProgram(options), state, { frames })
    const b = await runOnce(buildClassifyProgram({ ...options, input: 'float32', layout: 'BTCHW' }), state, {
      frames: values,
    })
    expect(relativeDifference(b.logits, a.logits)).toBeLessThan(1e-5)
  })
})

describe('encode program', () => {
  test('of a pretrained encoder returns normed tokens and their mean', async () => {
    const encoderState = shakenState(parameterShapes(configuration, 'pretrain'))
    const { tokens, pooled } = await runOnce(buildEncodeProgram({ configuration, batch }), encoderState, { frames })
    expect(tokens.length).toBe(batch * 8 * width)
    const mean = Float32Array.from({ length: batch * width }, (_, i) => {
      let sum = 0
      for (let n = 0; n < 8; n++) sum += tokens[(Math.floor(i / width) * 8 + n) * width + (i % width)]
      return sum / 8
    })
    expect(relativeDifference(pooled, mean)).toBeLessThan(1e-5)
    const bare = buildEncodeProgram({ configuration: tinyConfiguration({ encoderNorm: false }), batch })
    expect(bare.state.some(({ name }) => name.startsWith('encoder.norm'))).toBe(false)
  })
})

describe('fine-tuning', () => {
  const build = (options: { dropPath?: boolean; dropout?: boolean }) =>
    buildFinetuneProgram({ configuration, batch, classes, optimizer: null, ...options })

  test('has the classifier logits and the soft-target cross-entropy', async () => {
    const { logits } = await runOnce(buildClassifyProgram({ configuration, batch, classes }), state, { frames })
    const outputs = await runOnce(build({}).programs[0], state, { frames, targets })
    expect(outputs.logits).toEqual(logits)
    let loss = 0
    for (let b = 0; b < batch; b++) {
      const row = logits.subarray(b * classes, (b + 1) * classes)
      const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0))
      for (let k = 0; k < classes; k++) loss -= (targets[b * classes + k] * (row[k] - total)) / batch
    }
    expect(outputs.loss[0]).toBeCloseTo(loss, 5)
  })

  test('drops residual branches per sample', async () => {
    const program = build({ dropPath: true }).programs[0]
    const plain = await runOnce(build({}).programs[0], state, { frames, targets })
    const keep = new Float32Array(4 * batch).fill(1)
    const same = await runOnce(program, state, { frames, targets, dropPath: keep })
    expect(relativeDifference(same.logits, plain.logits)).toBeLessThan(1e-6)
    // Sample 1 without both branches of block 1: what a model of one block computes for it.
    const dropPath = Float32Array.from(keep, (_, i) => (i === 2 * batch + 1 || i === 3 * batch + 1 ? 0 : 1))
    const dropped = await runOnce(program, state, { frames, targets, dropPath })
    const shallow = tinyConfiguration({ encoder: { width, depth: 1, heads: 3, mlpRatio: 2 } })
    const one = await runOnce(buildClassifyProgram({ configuration: shallow, batch, classes }), state, { frames })
    const row = (values: Float32Array, b: number) => values.slice(b * classes, (b + 1) * classes)
    expect(relativeDifference(row(dropped.logits, 1), row(one.logits, 1))).toBeLessThan(1e-5)
    expect(relativeDifference(row(dropped.logits, 0), row(plain.logits, 0))).toBeLessThan(1e-5)
    expect(relativeDifference(row(dropped.logits, 1), row(plain.logits, 1))).toBeGreaterThan(1e-2)
  })

  test('drops features before the last layer', async () => {
    const program = build({ dropout: true }).programs[0]
    const none = new Float32Array(batch * width)
    const outputs = await runOnce(program, state, { frames, targets, dropout: none })
    for (let i = 0; i < outputs.logits.length; i++)
      expect(outputs.logits[i]).toBeCloseTo(state.get('head.bias')![i % classes], 6)
  })

  test('learns the classes of a few clips', async () => {
    const built = buildFinetuneProgram({ configuration, batch, classes, optimizer: { beta2: 0.999 } })
    const session = await openWith(built.programs, initialize(built.parameters, 2, 'finetune'))
    const hard = Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    const losses: number[] = []
    for (let step = 1; step <= 60; step++) {
      const scalars = { learningRate: scalar(1e-2), weightDecay: scalar(0.05), step: scalar(step) }
      losses.push((await session.run(built.step, { frames, targets: hard, ...scalars })).loss[0])
    }
    expect(losses[0]).toBeCloseTo(Math.log(classes), 2)
    expect(losses[losses.length - 1]).toBeLessThan(0.1)
  })
})

describe('heads on features', () => {
  test.each(['linear', 'attentive'] as const)('learn: %s', async (head) => {
    const tokens = 5
    const built = buildHeadProgram({ head, batch, width, tokens, classes, heads: 3, mlpWidth: 16, optimizer: {} })
    const session = await openWith(built.programs, initialize(built.parameters, 4, 'finetune'))
    const stream = new RandomStream(1, 'features')
    const features = Float32Array.from({ length: batch * width * (head === 'linear' ? 1 : tokens) }, () =>
      stream.normal(),
    )
    const hard = Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    const losses: number[] = []
    for (let step = 1; step <= 80; step++) {
      const scalars = { learningRate: scalar(3e-2), weightDecay: scalar(0), step: scalar(step) }
      losses.push((await session.run(built.step, { features, targets: hard, ...scalars })).loss[0])
    }
    expect(losses[0]).toBeCloseTo(Math.log(classes), 1)
    expect(losses[losses.length - 1]).toBeLessThan(0.1)
  })

  test('need the number of tokens to attend to', () => {
    const options = { head: 'attentive', batch, width, classes, optimizer: null } as const
    expect(() => buildHeadProgram(options)).toThrow(/tokens/)
    expect(() => buildHeadProgram({ ...options, head: 'linear', classes: 0 })).toThrow(/classes/)
  })
})

describe('drop path and dropout factors', () => {
  const stream = (sample: number) => new RandomStream(9, sample, 'drop')

  test('rise evenly from 0', () => {
    expect(dropPathRates(5, 0.2)).toEqual([0, 0.05, 0.1, 0.15000000000000002, 0.2])
    expect(dropPathRates(1, 0.2)).toEqual([0])
    expect([dropsPaths(1, 0.2), dropsPaths(2, 0), dropsPaths(2, 0.2)]).toEqual([false, false, true])
    expect(() => dropPathRates(5, 1)).toThrow(/drop path rate/)
  })

  test('keep the expectation, never drop in the first block, and do not depend on the batch', () => {
    const [depth, samples, rate] = [3, 4000, 0.4]
    const factors = dropPathFactors(depth, rate, samples, stream)
    for (const [row, dropped] of [0, 0, 0.2, 0.2, 0.4, 0.4].entries()) {
      const values = factors.subarray(row * samples, (row + 1) * samples)
      expect(new Set(values).size).toBe(dropped === 0 ? 1 : 2)
      expect(Math.abs(values.filter((value) => value === 0).length / samples - dropped)).toBeLessThan(0.03)
      expect(Math.abs(values.reduce((a, b) => a + b, 0) / samples - 1)).toBeLessThan(0.05)
    }
    const few = dropPathFactors(depth, rate, 2, stream)
    for (let row = 0; row < 2 * depth; row++) expect(few[row * 2 + 1]).toBe(factors[row * samples + 1])
    const dropout = dropoutFactors(50, 0.5, 100, stream)
    expect([...new Set(dropout)].sort()).toEqual([0, 2])
    expect(Math.abs(dropout.filter((value) => value === 0).length / 5000 - 0.5)).toBeLessThan(0.03)
  })
})
