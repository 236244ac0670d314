import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { drawMix, mixClips, mixTargets } from '../../src/finetune/mix.ts'
import { spatialViews, temporalViews } from '../../src/inference/views.ts'
import { dropPathFactors, dropPathRates } from '../../src/model/drop-path.ts'
import { layerWiseScale } from '../../src/model/parameters.ts'
import { createSchedule, scaledLearningRate } from '../../src/train/schedule.ts'
import { sampleClip } from '../../src/video/sampling.ts'

/** Oracle of this file: the published code and paper. */
describe('layer-wise learning rates', () => {
  test('are 0.75^13 at the patch embedding of ViT-B, 0.75^12 to 0.75 in its blocks, 1 behind them', () => {
    const scale = layerWiseScale(12, 0.75)
    expect(scale('encoder.patch_embed.proj.weight')).toBeCloseTo(0.75 ** 13, 12)
    for (let i = 0; i < 12; i++) expect(scale(`encoder.blocks.${i}.mlp.fc1.weight`)).toBeCloseTo(0.75 ** (12 - i), 12)
    for (const name of ['fc_norm.weight', 'head.weight', 'head.bias', 'encoder.norm.weight'])
      expect(scale(name)).toBe(1)
  })
})

describe('learning rate of K400 ViT-B, 800 epochs', () => {
  test('is 2e-3 for 512 clips at 1e-3 per 256, rises from 0 over five epochs and falls along a cosine', () => {
    const rule = { globalBatch: 512, samplesPerClip: 1, countRepeats: false }
    const learningRate = scaledLearningRate({ ...rule, baseLearningRate: 1e-3 })
    const minimumLearningRate = scaledLearningRate({ ...rule, baseLearningRate: 1e-6 })
    expect(learningRate).toBeCloseTo(2e-3, 12)
    const perEpoch = Math.floor(240_436 / 512)
    const [steps, warmupSteps] = [100 * perEpoch, 5 * perEpoch]
    const schedule = createSchedule({ steps, warmupSteps, learningRate, minimumLearningRate, weightDecay: 0.05 })
    expect(schedule(0).learningRate).toBe(0)
    expect(schedule(warmupSteps - 1).learningRate).toBeCloseTo(2e-3, 12)
    const middle = schedule(warmupSteps + Math.floor((steps - warmupSteps) / 2)).learningRate
    expect(Math.abs(middle - (learningRate + minimumLearningRate) / 2)).toBeLessThan(1e-7)
    expect(schedule(steps - 1).learningRate).toBeGreaterThan(minimumLearningRate)
  })

  test('leaves repeated augmentation out: 384 clips of which each is shown twice scale as 384', () => {
    const scaled = scaledLearningRate({
      baseLearningRate: 5e-4,
      globalBatch: 768,
      samplesPerClip: 2,
      countRepeats: false,
    })
    expect(scaled).toBeCloseTo(7.5e-4, 12)
  })
})

describe('drop path', () => {
  test('grows evenly from 0 to its rate', () => {
    expect(dropPathRates(12, 0.1)[0]).toBe(0)
    expect(dropPathRates(12, 0.1)[11]).toBeCloseTo(0.1, 12)
    expect(dropPathRates(12, 0.1)[6]).toBeCloseTo((0.1 * 6) / 11, 12)
  })

  test('drops each branch of a sample at that rate and scales the others up', () => {
    const factors = dropPathFactors(3, 0.4, 4000, (b) => new RandomStream(b, 'drop'))
    for (const [row, rate] of [0, 0, 0.2, 0.2, 0.4, 0.4].entries()) {
      const values = factors.subarray(row * 4000, (row + 1) * 4000)
      const dropped = values.filter((value) => value === 0).length / 4000
      expect(Math.abs(dropped - rate)).toBeLessThan(0.03)
      for (const value of values) if (value !== 0) expect(value).toBeCloseTo(1 / (1 - rate), 6)
    }
  })
})

describe('mixup and CutMix', () => {
  const draws = Array.from({ length: 6000 }, (_, i) => drawMix({}, 224, 224, new RandomStream(i, 'mix')))

  test('are drawn equally often, with shares of Beta(0.8, 0.8) and uniform area', () => {
    const mixups = draws.filter((mix) => mix.kind === 'mixup')
    expect(Math.abs(mixups.length / draws.length - 0.5)).toBeLessThan(0.02)
    const mean = mixups.reduce((sum, { share }) => sum + share, 0) / mixups.length
    const variance = mixups.reduce((sum, { share }) => sum + (share - mean) ** 2, 0) / mixups.length
    expect(mean).toBeCloseTo(0.5, 1)
    expect(Math.abs(variance - 1 / (4 * 2.6))).toBeLessThan(0.008) // ab / ((a+b)^2 (a+b+1)), a = b = 0.8
  })

  test('corrects the share to the box that was really cut', () => {
    for (const mix of draws) {
      if (mix.kind !== 'cutmix') continue
      const area = ((mix.bottom - mix.top) * (mix.right - mix.left)) / 224 ** 2
      expect(mix.share).toBeCloseTo(1 - area, 12)
    }
  })

  test('mixes with the mirrored clip, pixels and targets alike, in all frames', () => {
    const [batch, frames, side] = [4, 2, 8]
    const bytes = frames * side * side * 3
    const fresh = () => Uint8Array.from({ length: batch * bytes }, (_, i) => 40 * (Math.floor(i / bytes) + 1))
    const clips = fresh()
    mixClips(clips, batch, side, side, { kind: 'mixup', share: 0.75 })
    expect([0, 1, 2, 3].map((b) => clips[b * bytes])).toEqual([70, 90, 110, 130])
    const cut = fresh()
    mixClips(cut, batch, side, side, { kind: 'cutmix', share: 1 - 6 / 64, top: 1, bottom: 3, left: 2, right: 5 })
    for (let t = 0; t < frames; t++) {
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          const inside = y >= 1 && y < 3 && x >= 2 && x < 5
          expect(cut[((t * side + y) * side + x) * 3]).toBe(inside ? 160 : 40)
        }
      }
    }
  })

  test('smooths targets: 0.1 / C off, 0.9 + 0.1 / C on', () => {
    const targets = mixTargets([0, 1, 1, 2], 4, 0.1, { kind: 'mixup', share: 0.7 })
    const [off, on] = [0.025, 0.925]
    const expected = [0.7 * on + 0.3 * off, off, 0.3 * on + 0.7 * off, off]
    expected.forEach((value, c) => {
      expect(targets[c]).toBeCloseTo(value, 6)
    })
    for (let i = 0; i < 4; i++) expect(targets.subarray(i * 4, i * 4 + 4).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
  })
})

describe('test views', () => {
  test('are five clips times three crops on Kinetics', () => {
    const views = temporalViews({ kind: 'dense', stride: 4, fps: null }, 16, 5)
    const starts = views.map((view) => sampleClip(view, 300, new RandomStream())[0])
    // 75 strided frames, 59 to spare: trunc(k * 59 / 4) * 4
    expect(starts).toEqual([0, 56, 116, 176, 236])
    expect(spatialViews(3)).toEqual([0, 1, 2].map((index) => ({ kind: 'along', index, count: 3 })))
  })

  test('are two interleaved clips on Something-Something', () => {
    const views = temporalViews({ kind: 'segments', stride: 2, fps: null }, 16, 2)
    const [first, second] = views.map((view) => sampleClip(view, 64, new RandomStream()))
    expect(first.slice(0, 3)).toEqual([0, 4, 8])
    expect(second.slice(0, 3)).toEqual([2, 6, 10])
  })
})
