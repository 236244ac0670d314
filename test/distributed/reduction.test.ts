/**
 * The sum over ranks inside of a step, with an MPI library that doubles: two ranks with the same clips. Their mean is what one rank
 * computes, and doubling and halving round nothing, so every bit is the same.
 */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import type { Attachment } from '../../src/distributed/communicator.ts'
import type { EngineOptions, RunInputs } from '../../src/engine/engine.ts'
import { listEngines } from '../../src/engine/index.ts'
import { mergedRanges } from '../../src/engine/plan/merged-ranges.ts'
import { initialize } from '../../src/model/initialize.ts'
import { buildPretrainProgram } from '../../src/model/pretrain.ts'
import type { OptimizerOptions } from '../../src/model/training-programs.ts'
import { runConfiguration } from '../../src/train/configuration-file.ts'
import { modelConfiguration } from '../../src/train/model-section.ts'
import { engineInThread } from '../support/engines.ts'
import { fakeMpi, hasCompiler } from './fake-mpi.ts'

const model = modelConfiguration(
  runConfiguration({
    model: {
      width: 16,
      depth: 2,
      heads: 2,
      frames: 4,
      resolution: 16,
      patch: 8,
      decoder: { width: 8, depth: 1, heads: 1 },
    },
  }).model,
  null,
)

/** Norms of three steps and the weights behind them. */
async function train(engine: string, optimizer: OptimizerOptions, ranks: Attachment, options: EngineOptions = {}) {
  const training = buildPretrainProgram({ configuration: model, batch: 2, visible: 4, masked: 4, optimizer })
  const session = await engineInThread(engine).open(training.programs, { threads: 2, ranks, ...options })
  const stream = new RandomStream(5, 'clips')
  const norms: number[] = []
  try {
    await session.writeState(initialize(training.parameters, 1))
    for (let step = 1; step <= 3; step++) {
      const data = {
        frames: Uint8Array.from({ length: 2 * 4 * 16 * 16 * 3 }, () => stream.integer(256)),
        visible: Int32Array.of(0, 2, 5, 7, 1, 2, 3, 4),
        masked: Int32Array.of(1, 3, 4, 6, 0, 5, 6, 7),
      }
      const rates: RunInputs = {
        learningRate: Float32Array.of(0.01),
        weightDecay: Float32Array.of(0.05),
        step: Float32Array.of(step),
      }
      if (training.apply === null) norms.push((await session.run(training.step, { ...data, ...rates })).gradientNorm[0])
      else {
        for (let run = 0; run < 2; run++)
          await session.run(training.step, { ...data, gradientWeight: Float32Array.of(0.5) })
        norms.push((await session.run(training.apply, rates)).gradientNorm[0])
      }
    }
    return { norms, weights: await session.readState([...training.parameters.keys()]) }
  } finally {
    await session.close()
  }
}

const self: Attachment = { transport: 'self' }
const engines = (await listEngines()).filter(({ name }) => !['cuda', 'webgpu'].includes(name))

describe.skipIf(!hasCompiler).each(engines)('$name', ({ name, available }) => {
  const cases: [string, OptimizerOptions, EngineOptions][] = [
    ['one program', { clipNorm: 0.5 }, {}],
    ['accumulated', { clipNorm: 0.5, accumulate: true }, {}],
    ...(name === 'native'
      ? ([['bfloat16', {}, { precision: 'bfloat16' }]] as [string, OptimizerOptions, EngineOptions][])
      : []),
  ]
  test.skipIf(!available).each(cases)(
    '%s: two ranks with the same clips are one rank',
    async (_, optimizer, options) => {
      const twice: Attachment = { transport: 'mpi', library: fakeMpi('-DTHREADS=2', '-DSTANDARD'), size: 2 }
      const one = await train(name, optimizer, self, options)
      const two = await train(name, { ...optimizer, ranks: 2 }, twice, options)
      expect(two).toEqual(one)
      // Without the sum a mean over two ranks is half: the reduction is what makes the difference.
      const missed = await train(name, { ...optimizer, ranks: 2 }, self, options)
      expect(missed.norms[0]).toBeCloseTo(one.norms[0] / 2, 5)
    },
  )
})

describe('mergedRanges', () => {
  const range = (address: number, bytes: number) => ({ address: BigInt(address), bytes })
  const shown = (...ranges: Parameters<typeof mergedRanges>) =>
    mergedRanges(...ranges).map(({ address, count }) => [Number(address), count])

  test('sums what overlaps once, and what is side by side in one piece', () => {
    expect(shown([range(4096, 16), range(1024, 8), range(1032, 8), range(4100, 4), range(1024, 8)], 1)).toEqual([
      [1024, 4],
      [4096, 4],
    ])
  })

  test('takes the rest of an aligned piece along, but no other', () => {
    expect(shown([range(0, 4), range(256, 8), range(1024, 4)], 256)).toEqual([
      [0, 66],
      [1024, 1],
    ])
  })
})
