/** A classifier on an engine that several callers use at once. */
import { expect, test } from 'vitest'
import { referenceEngine } from '../engine/reference/index.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { type Classifier, classifierShapes } from './classifier.ts'
import { openClipClassifier } from './predict-videos.ts'

const shape = {
  configuration: {
    ...resolveConfiguration({ imageSize: 8, frames: 4, patch: 4, encoder: { width: 12, depth: 1, heads: 2 } }),
    useMeanPooling: true,
  },
  head: { kind: 'linear' },
  labels: ['left', 'right'],
} as const
const tiny: Classifier = {
  ...shape,
  state: initialize(classifierShapes(shape), 1, 'pretrain'),
  sampling: { kind: 'dense', stride: 1, fps: null },
}

test('answers calls that overlap as it answers each alone', async () => {
  const classifier = await openClipClassifier(tiny, { engine: referenceEngine, batch: 2 })
  try {
    const bytes = 4 * 8 * 8 * 3
    const given = [1, 3, 2].map((count, g) =>
      Uint8Array.from({ length: count * bytes }, (_, i) => (i * 7 + 50 * g) % 256),
    )
    const alone: Float32Array[] = []
    for (const clips of given) alone.push(await classifier.probabilities(clips))
    expect(await Promise.all(given.map((clips) => classifier.probabilities(clips)))).toEqual(alone)
    expect(alone.map(({ length }) => length)).toEqual([2, 6, 4])
  } finally {
    await classifier.close()
  }
})

test('answers the next call after one that failed', async () => {
  const classifier = await openClipClassifier(tiny, { engine: referenceEngine, batch: 2 })
  try {
    const clips = new Uint8Array(4 * 8 * 8 * 3)
    const [wrong, right] = await Promise.allSettled([
      classifier.probabilities(null as unknown as Uint8Array),
      classifier.probabilities(clips),
    ])
    expect([wrong.status, right.status]).toEqual(['rejected', 'fulfilled'])
  } finally {
    await classifier.close()
  }
})
