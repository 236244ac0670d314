/** What `export --classifier` says of videos that cannot be read and of directories that transformers cannot read. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ExportCommandOptions } from '../../src/cli/commands/export.ts'
import { exportClassifierCommand } from '../../src/cli/export-classifier.ts'
import { type Classifier, classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import type { ModelOptions } from '../../src/model/configuration.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { shakenState, tinyConfiguration } from '../support/tiny-model.ts'

const folder = folderForTests('videomae-export-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const labels = ['left', 'up']

async function classifierAt(
  where: string,
  model: Partial<ModelOptions>,
  head: Classifier['head'],
  names: readonly string[] = labels,
): Promise<string> {
  const configuration = tinyConfiguration({ useMeanPooling: true, ...model })
  const state = shakenState(classifierShapes({ configuration, head, labels: names }))
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(inFolder(where), { configuration, head, state, labels: names, sampling })
  return inFolder(where)
}

let checkpoint = ''
let good: readonly string[] = []
beforeAll(async () => {
  checkpoint = await classifierAt('linear', {}, { kind: 'linear' })
  good = (await generateMotionDataset(inFolder('good'), { clips: 6, size: 16, frames: 6, classes: ['left', 'up'] }))
    .files
  for (const label of labels) {
    mkdirSync(inFolder('bad', label), { recursive: true })
    for (let i = 0; i < 4; i++) writeFileSync(inFolder('bad', label, `${i}.mp4`), `no video ${label} ${i}`)
  }
})
afterEach(() => vi.restoreAllMocks())

/** The command in this process; the compiled one is as old as the last build. */
async function run(from: string, options: ExportCommandOptions) {
  const shown = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      shown[stream] += String(text)
      return true
    })
  }
  // Nothing is computed for a Hugging Face directory.
  const engine = options.format === 'huggingface' ? {} : { engine: 'onnx' }
  await exportClassifierCommand(from, { json: true, ...engine, ...options })
  return { result: options.json === false ? shown.stdout : (JSON.parse(shown.stdout) as unknown), stderr: shown.stderr }
}

test('says how each list was read, and which rows it did not use', async () => {
  const rows = good.map((file, i) => `${file},${path.basename(path.dirname(file))},${i === 0 ? 'train' : 'test'}`)
  writeFileSync(inFolder('parts.csv'), `path,label,split\n${rows.join('\n')}\n`)
  const options = { out: inFolder('read.onnx'), evaluate: inFolder('parts.csv'), json: false }
  const { stderr, result } = await run(checkpoint, options)
  // And how the file is fed.
  expect(result).toMatch(/^labels {5}left, up$/m)
  expect(result).toMatch(/^frames {5}4; every frame, from the middle$/m)
  expect(result).toMatch(/^pixels {5}RGB; normalized by the file: mean 0\.485, /m)
  expect(stderr).toMatch(/^--evaluate: .*parts\.csv.*split/m)
  expect(stderr).toMatch(/^--evaluate: 6 rows: 5 test; 1 left out: /m)
})

test('calibrates on videos of any classes, or of none, and says so of those it did not use', async () => {
  const rows = good.map((file, i) => `${file},${i === 0 ? 'test' : 'train'}`)
  writeFileSync(inFolder('unlabeled.csv'), `path,split\n${rows.join('\n')}\n`)
  const other = { out: inFolder('unlabeled.onnx'), int8: true, calibrate: inFolder('unlabeled.csv') }
  const { result, stderr } = await run(checkpoint, { ...other, json: false })
  expect(result).toMatch(/int8-static/)
  expect(stderr).toMatch(/^--calibrate: 5 training videos; 1 of other parts left out$/m)
  const named = await classifierAt('other classes', {}, { kind: 'linear' }, ['walk', 'run'])
  const labeled = { out: inFolder('labeled.onnx'), int8: true, calibrate: inFolder('good') }
  expect((await run(named, labeled)).result).toMatchObject({ precision: 'int8-static', unreadable: [] })
})

describe('videos that cannot be read', () => {
  test.each(['calibrate', 'evaluate'] as const)(
    'end --%s with 3 and their names where there are no others',
    async (use) => {
      const out = inFolder(`${use}.onnx`)
      const options = use === 'calibrate' ? { calibrate: inFolder('bad'), int8: true } : { evaluate: inFolder('bad') }
      await expect(run(checkpoint, { out, ...options })).rejects.toMatchObject({
        code: 'VIDEO_UNREADABLE',
        exit: 'data',
        message: expect.stringMatching(new RegExp(`for --${use}, but none of 8 is: .*left.0\\.mp4.*up.3\\.mp4`)),
      })
      expect(existsSync(out)).toBe(false)
    },
  )

  test('are named and counted among others, and others take their places', async () => {
    const bad = ['left', 'up'].map((label) => inFolder('bad', label, '0.mp4'))
    const listOf = (part: string): string => {
      const rows = [bad[0], ...good, bad[1]].map((file) => `${file},${path.basename(path.dirname(file))},${part}`)
      writeFileSync(inFolder(`mixed-${part}.csv`), `path,label,split\n${rows.join('\n')}\n`)
      return inFolder(`mixed-${part}.csv`)
    }
    const { result, stderr } = await run(checkpoint, {
      out: inFolder('mixed.onnx'),
      calibrate: listOf('train'),
      calibrationClips: 2,
      int8: true,
      evaluate: listOf('test'),
    })
    const failure = (use: string, id: string) => ({ use, id, code: expect.any(String), reason: expect.any(String) })
    expect(result).toMatchObject({
      accuracy: { file: { videos: 6 } },
      unreadable: [failure('calibrate', bad[0]), failure('evaluate', bad[0]), failure('evaluate', bad[1])],
    })
    expect(stderr).toMatch(/^warning: --calibrate: .*left.0\.mp4/m)
    expect(stderr).toMatch(/^warning: --evaluate: .*up.0\.mp4/m)
    expect(stderr.match(/^warning: --/gm)).toHaveLength(3)
    expect(stderr.match(/^warning: (?!--).*/gm)).toEqual([
      expect.stringContaining('is not shown to be better than always answering'),
      expect.stringContaining('2 of the 6 test videos were also used for calibration'),
    ])
  })

  test('are an empty list in the JSON where all can be read', async () => {
    const { result, stderr } = await run(checkpoint, { out: inFolder('good.onnx'), evaluate: inFolder('good') })
    expect(result).toMatchObject({ unreadable: [], sidecar: { format: 'videomae-onnx', labels } })
    expect(stderr).toMatch(/^warning: .* is not shown to be better than always answering .*\n$/)
  })
})

describe('a Hugging Face directory', () => {
  test.each([
    ['factored positions', { positions: 'factored' }, { kind: 'linear' }, /positions.*videomae-factored/],
    ['positions of another grid', { positionGrid: { t: 1, h: 2, w: 2 } }, { kind: 'linear' }, /grid/],
    ['an attentive head', {}, { kind: 'attentive', heads: 2, mlpWidth: 24 }, /attentive head.*head\.safetensors/],
  ] as const)('with %s comes with a warning', async (name, model, head, expected) => {
    const from = await classifierAt(name, model, head)
    const { result, stderr } = await run(from, { format: 'huggingface', out: inFolder(`${name} out`) })
    expect(result).toMatchObject({ warnings: [expect.stringMatching(expected)] })
    expect(stderr).toMatch(/^warning: .*transformers/)
  })

  test('that transformers reads comes with none', async () => {
    const out = inFolder('plain out')
    const { result, stderr } = await run(checkpoint, { format: 'huggingface', out })
    expect([result, stderr]).toEqual([{ files: [out], warnings: [] }, ''])
  })
})
