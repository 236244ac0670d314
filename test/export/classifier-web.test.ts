/** Oracle: onnxruntime-node. An exported classifier gives the same logits in a browser. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { exportClassifier } from '../../src/export/classifier.ts'
import { classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { findChromium, runInBrowser } from '../support/browser.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const chromium = findChromium()
const folder = folderForTests('videomae-web-')

const configuration = {
  ...resolveConfiguration({ imageSize: 32, frames: 4, patch: 8, encoder: { width: 32, depth: 2, heads: 2 } }),
  useMeanPooling: true,
}
const labels = ['left', 'right', 'up']

describe.skipIf(chromium === null)(
  `a classifier in the browser${chromium === null ? ' (no Chromium in PATH or VIDEOMAE_CHROMIUM)' : ''}`,
  () => {
    test.each([
      ['linear', 'float32'],
      ['attentive', 'int8-static'],
    ] as const)(
      'with a %s head, %s',
      async (kind, precision) => {
        const head = kind === 'linear' ? ({ kind } as const) : ({ kind, heads: 2, mlpWidth: 64 } as const)
        const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
        // The last layer starts near zero; logits that differ show more.
        state.set(
          'head.weight',
          state.get('head.weight')!.map((value) => 1000 * value),
        )
        const from = path.join(folder, kind)
        await saveClassifier(from, {
          configuration,
          head,
          state,
          labels,
          sampling: { kind: 'dense', stride: 1, fps: null },
        })
        const clips = (['left', 'clockwise'] as const).map((motion, i) =>
          renderMotionClip(motion, new RandomStream('web', i), { width: 32, height: 32, frames: 4 }),
        )
        const all = new Uint8Array(Buffer.concat(clips))
        const out = path.join(folder, `${kind}.onnx`)
        await exportClassifier(from, { out, clips: all, calibration: all, precision, compareWith: 'onnx' })

        const { InferenceSession, Tensor } = await import('onnxruntime-node')
        const session = await InferenceSession.create(out)
        const shape = [2, 4, 32, 32, 3]
        const { logits } = await session.run({ frames: new Tensor('uint8', all, shape) })
        await session.release()
        const expected = Array.from(logits.data as Float32Array)
        expect(Math.hypot(...expected)).toBeGreaterThan(0.1)
        const found = await runInBrowser(chromium!, { model: out, clips: all, shape, timeoutSeconds: 500 })
        expect(found).toHaveLength(6)
        const differences = found.map((value, i) => Math.abs(value - expected[i]))
        expect(Math.max(...differences)).toBeLessThan(precision === 'float32' ? 1e-4 : 0.05)
      },
      600_000, // against hanging only
    )
  },
)
