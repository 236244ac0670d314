import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  openWith,
  randomClips,
  randomMasks,
  relativeDifference,
  runOnce,
  scalar,
  shakenState,
  tinyConfiguration,
} from '../../test/support/tiny-model.ts'
import { differentiate } from '../graph/differentiate.ts'
import { Graph } from '../graph/graph.ts'
import { add } from '../graph/operations/elementwise.ts'
import { meanSquaredError } from '../graph/operations/losses.ts'
import { concat, gatherRows, slice } from '../graph/operations/movement.ts'
import { patchTargets } from '../graph/operations/patches.ts'
import { dense, norm, transformerBlock } from './block.ts'
import { clipShape, type ModelConfiguration, valuesPerPatch } from './configuration.ts'
import { embedPatches, encode, positionConstant } from './encoder.ts'
import { initialize } from './initialize.ts'
import { paintPatches } from './paint-patches.ts'
import { positionTable } from './positions.ts'
import { buildPretrainProgram, buildReconstructProgram } from './pretrain.ts'
import { gradientOutput } from './training-programs.ts'

const configuration = tinyConfiguration()
const batch = 2
const frames = randomClips(configuration, batch)
const { visible, masked, counts } = randomMasks(configuration, batch)

/** Pretraining written the plain way: every decoder block computes every token, the masked ones are cut off at the end. */
function plainPretrain(c: ModelConfiguration, counts: { readonly visible: number; readonly masked: number }) {
  const graph = new Graph('plain')
  const inputs = {
    frames: graph.input('frames', clipShape(c, batch), 'uint8'),
    visible: graph.input('visible', [batch, counts.visible], 'int32'),
    masked: graph.input('masked', [batch, counts.masked], 'int32'),
  }
  const encoded = encode(c, inputs.frames, { visible: inputs.visible, finalNorm: true })
  const table = positionConstant(c, c.decoder.width, encoded)
  const seen = add(dense(encoded, 'encoder_to_decoder', c.decoder.width, false), gatherRows(table, inputs.visible))
  const hidden = add(gatherRows(table, inputs.masked), graph.state('mask_token', [c.decoder.width]))
  let x = concat([seen, hidden], 1)
  for (let i = 0; i < c.decoder.depth; i++) {
    x = transformerBlock(x, `decoder.blocks.${i}`, { size: c.decoder, epsilon: c.layerNormEpsilon })
  }
  const last = norm(slice(x, 1, counts.visible, counts.masked), 'decoder.norm', c.headNormEpsilon)
  const prediction = dense(last, 'decoder.head', valuesPerPatch(c))
  const target = patchTargets(inputs.frames, inputs.masked, { patch: c.patch, tubelet: c.tubelet, normalize: true })
  const loss = meanSquaredError(prediction, target)
  const states = [...graph.states()]
  const gradients = differentiate(
    loss,
    states.map(([, tensor]) => tensor),
  )
  const named = Object.fromEntries(states.map(([name], i) => [gradientOutput(name), gradients[i]]))
  return graph.build({ loss, prediction, ...named })
}

describe('pretraining', () => {
  const programs = buildPretrainProgram({ configuration, batch, ...counts, prediction: true, gradients: true })
  const state = shakenState(programs.parameters)

  test('computes only masked tokens in the last block, with the result of computing all', async () => {
    const small = (maximum: number) => fc.integer({ min: 1, max: maximum })
    const sizes = fc.record({
      encoder: small(2),
      decoder: small(3),
      tubes: small(3),
      rows: small(2),
      seed: small(1000),
    })
    await fc.assert(
      fc.asyncProperty(sizes, async ({ encoder, decoder, tubes, rows, seed }) => {
        const c = tinyConfiguration({
          encoder: { width: 12, depth: encoder, heads: 3, mlpRatio: 2 },
          decoder: { width: 8, depth: decoder, heads: 2, mlpRatio: 2 },
          frames: 2 * tubes,
          imageSize: [4 * rows, 12],
        })
        const masks = randomMasks(c, batch, 0.6, seed)
        const inputs = { frames: randomClips(c, batch, seed), visible: masks.visible, masked: masks.masked }
        const options = { configuration: c, batch, ...masks.counts, prediction: true, gradients: true }
        const built = buildPretrainProgram(options)
        const weights = shakenState(built.parameters, seed)
        const actual = await runOnce(built.programs[0], weights, inputs)
        const plain = await runOnce(plainPretrain(c, masks.counts), weights, inputs)
        expect(Object.keys(actual).sort()).toEqual(Object.keys(plain).sort())
        for (const [name, values] of Object.entries(plain)) {
          expect(relativeDifference(actual[name], values), name).toBeLessThan(1e-5)
        }
      }),
      { seed: 11, numRuns: 15 },
    )
  })

  test('aligns its output with the masked tokens in their order', async () => {
    const straight = await runOnce(programs.programs[0], state, { frames, visible, masked })
    const m = counts.masked
    const order = (i: number) => (i < m ? (i + 1) % m : i) // turns the first clip's tokens round by one
    const turned = await runOnce(programs.programs[0], state, {
      frames,
      visible,
      masked: masked.map((_, i) => masked[order(i)]),
    })
    const values = valuesPerPatch(configuration)
    const expected = new Float32Array(straight.prediction.length)
    for (let i = 0; i < batch * m; i++) {
      expected.set(straight.prediction.subarray(order(i) * values, (order(i) + 1) * values), i * values)
    }
    expect(relativeDifference(turned.prediction, expected)).toBeLessThan(1e-5)
    expect(relativeDifference(turned.prediction, straight.prediction)).toBeGreaterThan(1e-2)
    expect(Math.abs(turned.loss[0] - straight.loss[0])).toBeLessThan(1e-6)
  })

  test('does not look at masked pixels to predict them', async () => {
    const painted = paintPatches(
      configuration,
      frames.subarray(0, frames.length / 2),
      masked.subarray(0, counts.masked),
      new Float32Array(counts.masked * valuesPerPatch(configuration)),
      { objective: 'pixels' },
    )
    const hidden = Uint8Array.from(frames)
    hidden.set(painted)
    const { prediction } = await runOnce(programs.programs[0], state, { frames: hidden, visible, masked })
    const full = await runOnce(programs.programs[0], state, { frames, visible, masked })
    expect(prediction).toEqual(full.prediction)
  })

  test('with dual masking of the complement is plain pretraining', async () => {
    const dual = buildPretrainProgram({
      configuration,
      batch,
      visible: counts.visible,
      decoded: counts.masked,
      prediction: true,
      gradients: true,
    })
    const weight = new Float32Array(masked.length).fill(1)
    const plain = await runOnce(programs.programs[0], state, { frames, visible, masked })
    const actual = await runOnce(dual.programs[0], state, { frames, visible, masked, weight })
    for (const [name, values] of Object.entries(plain)) {
      expect(relativeDifference(actual[name], values), name).toBeLessThan(1e-6)
    }
  })

  test('with dual masking counts only tokens that the encoder did not see', async () => {
    const decoded = 3
    const dual = buildPretrainProgram({ configuration, batch, visible: counts.visible, decoded, prediction: true })
    const c = counts.visible
    const m = counts.masked
    // Per clip: one visible token (weight 0) and two hidden ones.
    const both = Int32Array.from([visible[0], masked[0], masked[1], visible[c], masked[m], masked[m + 1]])
    const weight = Float32Array.from([0, 1, 1, 0, 1, 1])
    const { loss, prediction } = await runOnce(dual.programs[0], state, { frames, visible, masked: both, weight })
    const graph = new Graph('targets')
    const target = patchTargets(
      graph.input('frames', clipShape(configuration, batch), 'uint8'),
      graph.input('masked', [batch, decoded], 'int32'),
      { patch: 4, tubelet: 2, normalize: true },
    )
    const { target: expected } = await runOnce(graph.build({ target }), new Map(), { frames, masked: both })
    let sum = 0
    const values = valuesPerPatch(configuration)
    for (let i = 0; i < prediction.length; i++) {
      sum += weight[Math.floor(i / values)] * (prediction[i] - expected[i]) ** 2
    }
    expect(loss[0]).toBeCloseTo(sum / values / 4, 5)
  })

  test('refuses token counts that do not fit', () => {
    const build = (tokens: object) => () =>
      buildPretrainProgram({ configuration, batch, visible: 2, masked: 6, ...tokens })
    expect(build({ masked: 5 })).toThrow(/6, the tokens that are not visible/)
    expect(build({ decoded: 3 })).toThrow(/exactly one/)
    expect(build({ visible: 8, masked: 0 })).toThrow(/from 1 to 7/)
    expect(build({ batch: 0 })).toThrow(/batch/)
  })

  test('overfits a few clips', async () => {
    const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: { clipNorm: 5 } })
    const session = await openWith(built.programs, initialize(built.parameters, 5))
    const losses: number[] = []
    for (let step = 1; step <= 150; step++) {
      const outputs = await session.run(built.step, {
        frames,
        visible,
        masked,
        learningRate: scalar(5e-3),
        weightDecay: scalar(0),
        step: scalar(step),
      })
      losses.push(outputs.loss[0])
      expect(outputs.gradientNorm[0]).toBeGreaterThan(0)
    }
    expect(losses[0]).toBeGreaterThan(0.9)
    expect(losses[losses.length - 1]).toBeLessThan(0.35 * losses[0])
  })
})

describe('patches', () => {
  test('are embedded in the order of the Conv3d kernel (c, p0, p1, p2), with the position added', async () => {
    const { patch, tubelet, mean, std } = configuration
    const width = configuration.encoder.width
    const values = valuesPerPatch(configuration)
    const index = { c: 2, t: 1, y: 3, x: 1 }
    const kernel = new Float32Array(width * values)
    kernel[5 * values + ((index.c * tubelet + index.t) * patch + index.y) * patch + index.x] = 1
    const graph = new Graph('embed')
    const clips = graph.input('frames', clipShape(configuration, 1), 'uint8')
    const program = graph.build({ tokens: embedPatches(configuration, clips, null) })
    const clip = frames.subarray(0, frames.length / batch)
    const state = new Map([['encoder.patch_embed.proj.weight', kernel]])
    const { tokens } = await runOnce(program, state, { frames: clip })
    const table = positionTable(configuration, width)
    for (let n = 0; n < 8; n++) {
      const [t, y, x] = [n >> 2, (n >> 1) & 1, n & 1]
      const pixel = ((t * tubelet + index.t) * 8 + y * patch + index.y) * 8 + x * patch + index.x
      const value = (clip[pixel * 3 + index.c] / 255 - mean[index.c]) / std[index.c]
      expect(tokens[n * width + 5] - table[n * width + 5]).toBeCloseTo(value, 5)
      expect(tokens[n * width + 4]).toBeCloseTo(table[n * width + 4], 6)
    }
  })

  test('have targets 0 where constant, and the z-score with n - 1 of a ramp, in the order (p0, p1, p2, c)', async () => {
    const graph = new Graph('targets')
    const clips = graph.input('frames', clipShape(configuration, 1), 'uint8')
    const target = patchTargets(clips, graph.input('masked', [1, 2], 'int32'), {
      patch: 4,
      tubelet: 2,
      normalize: true,
    })
    const clip = new Uint8Array(frames.length / batch)
    const ramps: number[] = []
    for (let t = 0; t < 4; t++) {
      for (let y = 0; y < 8; y++) {
        for (let x = 0; x < 8; x++) {
          const ramp = ((t % 2) * 4 + (y % 4)) * 4 + (x % 4)
          const offset = ((t * 8 + y) * 8 + x) * 3
          clip.set(x < 4 ? [7, 80, 255] : [ramp, 2 * ramp, 200 - ramp], offset)
          if (t < 2 && y < 4 && x >= 4) ramps.push(ramp)
        }
      }
    }
    expect(ramps).toEqual(Array.from({ length: 32 }, (_, i) => i))
    const outputs = await runOnce(graph.build({ target }), new Map(), { frames: clip, masked: Int32Array.of(0, 1) })
    expect(outputs.target.subarray(0, 96).every((value) => Math.abs(value) < 1e-6)).toBe(true)
    const deviation = Math.sqrt((32 * 33) / 12) // of 0..31 with n - 1
    for (let s = 0; s < 32; s++) {
      const z = (s - 15.5) / 255 / (deviation / 255 + 1e-6)
      const z2 = (2 * (s - 15.5)) / 255 / ((2 * deviation) / 255 + 1e-6)
      expect(outputs.target[96 + 3 * s]).toBeCloseTo(z, 4)
      expect(outputs.target[96 + 3 * s + 1]).toBeCloseTo(z2, 4)
      expect(outputs.target[96 + 3 * s + 2]).toBeCloseTo(-z, 4)
    }
  })

  test('are painted back exactly from their own targets', async () => {
    for (const objective of ['normalized-pixels', 'pixels'] as const) {
      const graph = new Graph('targets')
      const target = patchTargets(
        graph.input('frames', clipShape(configuration, 1), 'uint8'),
        graph.input('masked', [1, counts.masked], 'int32'),
        { patch: 4, tubelet: 2, normalize: objective === 'normalized-pixels' },
      )
      const clip = frames.subarray(0, frames.length / batch)
      const hidden = masked.subarray(0, counts.masked)
      const outputs = await runOnce(graph.build({ target }), new Map(), { frames: clip, masked: hidden })
      expect(paintPatches(configuration, clip, hidden, outputs.target, { objective })).toEqual(Uint8Array.from(clip))
      const black = paintPatches(
        configuration,
        clip,
        hidden,
        outputs.target.map(() => -9),
        { objective },
      )
      expect(black).not.toEqual(Uint8Array.from(clip))
    }
  })
})

describe('buildReconstructProgram', () => {
  test('returns prediction and loss without touching the state', async () => {
    const program = buildReconstructProgram({ configuration, batch, ...counts })
    expect(program.updates).toEqual([])
    const state = shakenState(buildPretrainProgram({ configuration, batch, ...counts }).parameters)
    const outputs = await runOnce(program, state, { frames, visible, masked })
    expect(Object.keys(outputs).sort()).toEqual(['loss', 'prediction'])
    expect(outputs.prediction.length).toBe(masked.length * valuesPerPatch(configuration))
  })
})
