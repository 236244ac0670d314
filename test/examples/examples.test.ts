/** Every program of examples/, run on generated clips. */
import { execFile } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const examples = path.join(import.meta.dirname, '../../examples')
const folder = folderForTests('videomae-examples-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

interface Answer {
  readonly status: number
  readonly body: { readonly error?: string } & Partial<Classes>
}
interface Classes {
  readonly classes: readonly { readonly label: string; readonly probability: number }[]
}
interface Result {
  readonly printed: Readonly<Record<string, string>>
  readonly served: { readonly address: string; readonly both: readonly Answer[] } & Readonly<
    Record<'page' | 'get' | 'noVideo' | 'large', Answer>
  >
  readonly browser: Classes & { readonly refused: unknown }
}
let result: Result
let query = ''

const tiny = [
  ...['data.samplesPerClip=2', 'data.workers=1', 'clip.stride=1', 'batch.size=8', 'batch.perRun=8'],
  ...['model.width=16', 'model.depth=1', 'model.heads=2', 'model.frames=4', 'model.resolution=16', 'model.patch=8'],
  ...['model.decoder.width=16', 'model.decoder.depth=1', 'model.decoder.heads=2'],
  ...['schedule.duration=6 steps', 'schedule.warmup=1 step', 'engine.threads=1'],
]

beforeAll(async () => {
  const { files } = await generateMotionDataset(inFolder('videos'), {
    clips: 12,
    size: 32,
    frames: 8,
    classes: ['left', 'up'],
  })
  query = inFolder('query.mp4')
  copyFileSync(files[2], query)
  const votes = ['label,learner0,learner1,learner2', 'cat,cat,cat,cat', 'dog,cat,dog,dog']
  writeFileSync(inFolder('votes.csv'), `${votes.join('\n')}\n`)
  const [run, videos, cache] = [inFolder('run'), inFolder('videos'), inFolder('cache')]
  const programs = [
    ['pretrain.mjs', videos, run, ...tiny],
    ['finetune.mjs', videos, run, inFolder('classifier')],
    ['search.mjs', run, videos, query, cache],
    ['duplicates.mjs', run, folder, '0.999', cache],
    ['certify-votes.mjs', inFolder('votes.csv'), 'cat,dog'],
  ]
  const host = path.join(import.meta.dirname, 'host.mjs')
  const plan = JSON.stringify({ folder, programs, query })
  const { stdout } = await promisify(execFile)(process.execPath, [host, plan], { maxBuffer: 2 ** 26, timeout: 580_000 })
  result = JSON.parse(stdout) as Result
})

test('pretrain.mjs pretrains and draws', () => {
  expect(result.printed['pretrain.mjs']).toMatch(/^step 6 of 6: loss \d\.\d{4}$/m)
  expect(readdirSync(inFolder('run'))).toEqual(expect.arrayContaining(['config.json', 'example.png', 'example.webp']))
})

test('finetune.mjs trains, tests and predicts', () => {
  expect(result.printed['finetune.mjs']).toMatch(/^2 classes: left, up$/m)
  expect(result.printed['finetune.mjs']).toMatch(/^test accuracy \d+ %, 95 % interval \d+ % to \d+ %$/m)
  expect(result.printed['finetune.mjs']).toMatch(/00000\.mp4: (left|up) 0\.\d{3}$/m)
})

test('search.mjs finds the same clip first', () => {
  const [first, second] = result.printed['search.mjs'].split('\n')
  expect(first).toMatch(/^1\.000 .*left.00002\.mp4$/)
  expect(second).not.toMatch(/^1\.000/)
})

test('duplicates.mjs finds the copy', () => {
  expect(result.printed['duplicates.mjs']).toMatch(/^1\.0000 {2}same file {2}.*query\.mp4.*/m)
  expect(result.printed['duplicates.mjs']).toMatch(/^1 pairs among 13 videos$/m)
})

test('certify-votes.mjs gives radii with their conditions', () => {
  const printed = result.printed['certify-votes.mjs']
  expect(printed).toMatch(/^input 0: cat, unchanged by 1 poisoned training samples$/m)
  expect(printed).toMatch(/^input 1: dog, unchanged by 0 poisoned training samples$/m)
  expect(printed).toMatch(/^certified accuracy at 0: 1\.000\ncertified accuracy at 1: 0\.500$/m)
  expect(printed).toMatch(/^if /m)
})

test('serve.mjs answers one video at a time, and nothing else', () => {
  const { address, both, page, get, noVideo, large } = result.served
  expect(address).toBe('127.0.0.1')
  expect(both.map(({ status }) => status).sort()).toEqual([200, 503])
  expect(both.find(({ status }) => status === 200)?.body.classes).toHaveLength(2)
  expect([page, get, noVideo, large].map(({ status }) => status)).toEqual([403, 405, 422, 413])
})

test('onnx/classify.mjs classifies in the runtime of browsers', () => {
  const { classes, refused } = result.browser
  const expected = result.served.both.find(({ status }) => status === 200)?.body.classes ?? []
  expect(classes.map(({ label }) => label)).toEqual(expected.map(({ label }) => label))
  for (const [i, { probability }] of classes.entries())
    expect(Math.abs(probability - expected[i].probability)).toBeLessThan(0.01)
  expect(refused).toMatch(/Expected exported\.onnx with SHA-256/)
})

describe('examples/', () => {
  const programs = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(mjs|html)$/.test(name),
  )
  const page = readFileSync(path.join(examples, 'README.md'), 'utf8')

  test.each(programs.filter((name) => !name.startsWith('verify')))(
    '%s has less than 81 lines and checked types',
    (name) => {
      const text = readFileSync(path.join(examples, name), 'utf8')
      expect(text.split('\n').length - 1).toBeLessThan(81)
      if (name.endsWith('.mjs')) expect(text).toMatch(/^\/\/ @ts-check\n/)
    },
  )

  test('names every program in its page', () => {
    const named = programs.filter((name) => !page.includes(name.replaceAll('\\', '/')) && name !== 'vectors.mjs')
    expect(named).toEqual([])
  })
})
