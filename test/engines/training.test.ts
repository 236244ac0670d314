/**
 * Oracle: the reference engine. Five AdamW steps of a small masked autoencoder give the same losses, gradient norms,
 * weights, moments and averages on every engine.
 */
import { expect, test } from 'vitest'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { relativeError } from '../support/case-builder.ts'
import { describeEngines, withSession } from '../support/engines.ts'
import { smallTransformer, startingWeights, stepData } from '../support/small-transformer.ts'

interface Trace {
  readonly losses: readonly number[]
  readonly norms: readonly number[]
  /** Loss of the evaluation program on the last step's data, after the last update. */
  readonly evaluated: number
  readonly logits: Float32Array
  readonly state: ReadonlyMap<string, Float32Array>
}

const steps = 5
const { programs, parameters } = smallTransformer()

async function train(session: EngineSession): Promise<Trace> {
  await session.writeState(startingWeights(programs[0], parameters))
  const losses: number[] = []
  const norms: number[] = []
  for (let step = 1; step <= steps; step++) {
    const { loss, gradientNorm } = await session.run('train', {
      ...stepData(step),
      learningRate: Float32Array.of(3e-3 / step),
      weightDecay: Float32Array.of(0.05),
      step: Float32Array.of(step),
      decay: Float32Array.of(0.9),
    })
    losses.push(loss[0])
    norms.push(gradientNorm[0])
  }
  const { loss, logits } = await session.run('evaluate', stepData(steps))
  return { losses, norms, evaluated: loss[0], logits, state: await session.readState() }
}

const traceOf = (engine: Engine): Promise<Trace> => withSession(engine, programs, train)

describeEngines('training', (engine) => {
  test('five steps agree with the reference', async () => {
    const expected = await traceOf(referenceEngine)
    const trace = await traceOf(await engine())
    expect(relativeError(trace.losses, expected.losses)).toBeLessThan(1e-5)
    expect(relativeError(trace.norms, expected.norms)).toBeLessThan(1e-4)
    expect(Math.abs(trace.evaluated / expected.evaluated - 1)).toBeLessThan(1e-5)
    expect(relativeError(trace.logits, expected.logits)).toBeLessThan(1e-4)
    expect([...trace.state.keys()].sort()).toEqual([...expected.state.keys()].sort())
    for (const [name, values] of expected.state) {
      expect(relativeError(trace.state.get(name)!, values, 1e-12), name).toBeLessThan(1e-4)
    }
  })

  test('training on one batch lowers its loss', async () => {
    await withSession(await engine(), programs, async (session) => {
      await session.writeState(startingWeights(programs[0], parameters))
      const data = stepData(2)
      const before = (await session.run('evaluate', data)).loss[0]
      for (let step = 1; step <= 10; step++) {
        await session.run('train', {
          ...data,
          learningRate: Float32Array.of(3e-3),
          weightDecay: Float32Array.of(0),
          step: Float32Array.of(step),
          decay: Float32Array.of(0.9),
        })
      }
      const after = (await session.run('evaluate', data)).loss[0]
      expect(after).toBeLessThan(0.95 * before)
    })
  })
})
