/**
 * Oracle: the same classifier in onnxruntime-node, on frames that the decoder of this package cuts. The page itself runs in a headless
 * Chromium, on a real file and on the browser's fake camera.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportClassifier } from '../../src/export/classifier.ts'
import { classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { predict } from '../../src/inference/predict.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { findChromium, openPage, staticFile } from '../support/browser.ts'

const chromium = findChromium()
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-page-'))
const [site, model] = [path.join(folder, 'site'), path.join(folder, 'classifier.onnx')]
/** Against hanging only. */
const hang = 600_000
const labels = ['left', 'right', 'up']
let video: string

/** The page in a frame, and what is done to it: posts the texts of its status line and of its table once that has rows. */
const outside = (
  address: string,
  click: boolean,
): string => `<!doctype html><iframe id="page" src="${address}" allow="camera"></iframe>
<script type="module">
const get = (id) => document.getElementById('page').contentDocument?.getElementById(id)
const post = (result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) })
let clicked = ${!click}
for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  const status = get('status')?.textContent ?? ''
  if (/Error/.test(status)) await post({ error: status })
  if (!clicked && /^Ready/.test(status)) { get('camera').click(); clicked = true }
  const rows = [...(get('classes')?.rows ?? [])].map((row) => [...row.cells].map((cell) => cell.textContent))
  if (rows.length > 0) await post({ status, rows })
}
</script>`

interface Shown {
  readonly status: string
  readonly rows: readonly (readonly [string, string])[]
}

function shown(address: string, click: boolean, flags: readonly string[] = []): Promise<Shown> {
  const fileOf = async (pathname: string) => {
    if (pathname === '/') return { type: 'text/html', body: outside(address, click) }
    if (pathname === '/clip.mp4')
      return { type: 'video/mp4', body: (await staticFile(path.dirname(video), video)).body }
    return pathname === '/favicon.ico' ? null : staticFile(site, pathname)
  }
  return openPage(chromium!, { fileOf, flags, timeoutSeconds: 500 }) as Promise<Shown>
}

describe.skipIf(chromium === null)(
  `examples/browser${chromium === null ? ' (no Chromium in PATH or VIDEOMAE_CHROMIUM)' : ''}`,
  () => {
    beforeAll(async () => {
      const configuration = {
        ...resolveConfiguration({ imageSize: 32, frames: 4, patch: 8, encoder: { width: 32, depth: 2, heads: 2 } }),
        useMeanPooling: true,
      }
      const head = { kind: 'linear' } as const
      const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
      // The last layer starts near zero; probabilities that differ show more.
      state.set(
        'head.weight',
        state.get('head.weight')!.map((value) => 1000 * value),
      )
      const from = path.join(folder, 'classifier')
      const sampling = { kind: 'dense', stride: 2, fps: null } as const
      await saveClassifier(from, { configuration, head, state, labels, sampling })
      const clips = Uint8Array.from({ length: 4 * 32 * 32 * 3 }, (_, i) => (i * 37) % 256)
      await exportClassifier(from, { out: model, clips, compareWith: 'onnx' })
      const data = await generateMotionDataset(path.join(folder, 'videos'), { clips: 1, size: 48, frames: 12 })
      video = data.files[0]
      execFileSync(process.execPath, [path.join(import.meta.dirname, '../../examples/browser/build.mjs'), model, site])
    }, hang)
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    test(
      'classifies a video file as this package does',
      async () => {
        const { status, rows } = await shown('/index.html?video=clip.mp4', false)
        expect(status).toMatch(/^(WebGPU|WebAssembly), \d+ ms for a clip of 4 frames$/)
        const [answer] = await predict([video], { from: model, clips: 1, crops: 1, top: 3 })
        if (!answer.ok) throw new Error(answer.reason)
        const { classes } = answer
        expect(rows.map(([label]) => label)).toEqual(classes.map(({ label }) => label))
        for (const [i, { probability }] of classes.entries()) {
          expect(Math.abs(Number.parseFloat(rows[i][1]) - 100 * probability), rows[i].join(' ')).toBeLessThan(2)
        }
      },
      hang,
    )

    test(
      'classifies the camera',
      async () => {
        const flags = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']
        const { rows } = await shown('/index.html', true, flags)
        expect(rows.map(([label]) => label).sort()).toEqual([...labels].sort())
        const sum = rows.reduce((total, [, percent]) => total + Number.parseFloat(percent), 0)
        expect(Math.abs(sum - 100)).toBeLessThan(0.2)
      },
      hang,
    )
  },
)
