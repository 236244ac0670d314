import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSchedule, scaledLearningRate } from './schedule.ts'

/** K400, ViT-B, 800 epochs: 240,436 videos, global batch 2048, 117 steps per epoch, warm-up 40 epochs. */
const stepsPerEpoch = Math.floor(240_436 / 2048)
const kinetics = {
  steps: 800 * stepsPerEpoch,
  warmupSteps: 40 * stepsPerEpoch,
  learningRate: scaledLearningRate({
    baseLearningRate: 1.5e-4,
    globalBatch: 2048,
    samplesPerClip: 1,
    countRepeats: false,
  }),
  minimumLearningRate: scaledLearningRate({
    baseLearningRate: 1e-5,
    globalBatch: 2048,
    samplesPerClip: 1,
    countRepeats: false,
  }),
  weightDecay: 0.05,
}

describe('learning-rate schedule', () => {
  test('has the values of the K400 ViT-B run', () => {
    expect(stepsPerEpoch).toBe(117)
    const schedule = createSchedule(kinetics)
    expect(schedule(0).learningRate).toBe(0)
    expect(schedule(1).learningRate).toBeCloseTo(1.2e-3 / 4679, 15)
    expect(schedule(kinetics.warmupSteps - 1).learningRate).toBeCloseTo(1.2e-3, 15)
    expect(schedule(kinetics.warmupSteps).learningRate).toBeCloseTo(1.2e-3, 15)
    const half = kinetics.warmupSteps + (kinetics.steps - kinetics.warmupSteps) / 2
    expect(schedule(half).learningRate).toBeCloseTo((1.2e-3 + 8e-5) / 2, 12)
    const last = schedule(kinetics.steps - 1).learningRate
    expect(last).toBeGreaterThan(8e-5) // never exactly reaches the minimum
    expect(last).toBeLessThan(8.0001e-5)
    expect(schedule(kinetics.steps - 1).weightDecay).toBe(0.05)
  })

  test('equals numpy.linspace and the cosine written out, for a short run', () => {
    const schedule = createSchedule({
      steps: 6,
      warmupSteps: 3,
      learningRate: 1,
      minimumLearningRate: 0.1,
      weightDecay: 0.05,
      weightDecayEnd: 0.5,
    })
    const rates = Array.from({ length: 6 }, (_, step) => schedule(step).learningRate)
    const expected = [
      0,
      0.5,
      1,
      1,
      0.1 + 0.45 * (1 + Math.cos(Math.PI / 3)),
      0.1 + 0.45 * (1 + Math.cos((2 * Math.PI) / 3)),
    ]
    rates.forEach((rate, step) => {
      expect(rate).toBeCloseTo(expected[step]!, 12)
    })
    expect(schedule(0).weightDecay).toBeCloseTo(0.05, 12)
    expect(schedule(3).weightDecay).toBeCloseTo(0.275, 12)
  })

  test('never leaves the range and falls monotonically after warm-up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 300 }), (steps, warmup) => {
        const warmupSteps = Math.min(warmup, steps)
        const schedule = createSchedule({
          steps,
          warmupSteps,
          learningRate: 1,
          minimumLearningRate: 0.01,
          weightDecay: 0,
        })
        let previous = Number.POSITIVE_INFINITY
        for (let step = 0; step < steps; step++) {
          const { learningRate } = schedule(step)
          expect(learningRate).toBeGreaterThanOrEqual(0)
          expect(learningRate).toBeLessThanOrEqual(1)
          if (step >= warmupSteps) {
            expect(learningRate).toBeLessThanOrEqual(previous)
            previous = learningRate
          }
        }
      }),
      { seed: 11, numRuns: 50 },
    )
  })

  test('refuses a warm-up longer than the run and steps outside it', () => {
    expect(() => createSchedule({ ...kinetics, steps: 10 })).toThrow(/warmupSteps/)
    expect(() => createSchedule(kinetics)(kinetics.steps)).toThrow(/step/)
  })
})

describe('base learning rate rule', () => {
  test('leaves repeated samples out unless asked, as the reference does', () => {
    const rule = { baseLearningRate: 1e-3, globalBatch: 4096, samplesPerClip: 4 }
    expect(scaledLearningRate({ ...rule, countRepeats: false })).toBeCloseTo(4e-3, 15) // VideoMAE V2, ViT-B
    expect(scaledLearningRate({ ...rule, countRepeats: true })).toBeCloseTo(16e-3, 15)
  })
})
