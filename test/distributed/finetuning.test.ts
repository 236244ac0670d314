/** Fine-tuning on ranks that MPI starts. Oracle: one process with the same recipe, whose clips are mixed across the parts of the ranks. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { launchers } from '../support/launchers.ts'
import { videomae, videomaeAlone } from '../support/run-program.ts'
import { curve } from '../support/tiny-run.ts'

const folder = folderForTests('videomae-finetune-ranks-')
const inFolder = (...names: readonly string[]): string => path.join(folder, ...names)
const limit = { timeout: 120_000 }
const read = (...names: readonly string[]): string => readFileSync(inFolder(...names), 'utf8')
const command = (out: string, ...more: readonly string[]): string[] => [
  ...['finetune', inFolder('split.csv'), '--recipe', inFolder('tiny.yaml'), '--out', inFolder(out)],
  ...more,
]

beforeAll(async () => {
  const data = inFolder('data')
  const options = { clips: 24, size: 16, frames: 8, classes: ['left', 'right'] as const, seed: 3 }
  const { files, labels } = await generateMotionDataset(data, options)
  const broken = ['train', 'val', 'test'].map((part) => {
    writeFileSync(inFolder(`${part}.mp4`), `this is no video of ${part}`)
    return `${inFolder(`${part}.mp4`)},left,${part}`
  })
  const part = (k: number): string => (k < 16 ? 'train' : k < 20 ? 'val' : 'test')
  const rows = [...files.map((file, k) => `${file},${labels[k]},${part(k)}`), ...broken]
  writeFileSync(inFolder('split.csv'), `path,label,split\n${rows.join('\n')}\n`)
  writeFileSync(
    inFolder('tiny.yaml'),
    `
mode: full
data: {workers: 1, samplesPerClip: 2}
model: {from: scratch, width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 16}
clip: {stride: 1}
batch: {size: 8, perRun: 8}
schedule: {duration: 5 steps, warmup: 1 steps}
optimizer: {ema: 0.5, baseLearningRate: 0.05}
evaluation: {clips: 2, crops: 1, every: 4 steps}
checkpoint: {every: 3 steps, keep: 2}
log: {tensorboard: false, every: 1 steps}
engine: {threads: 1}
`,
  )
  const { code, stderr } = await videomae(...command('alone'))
  expect(code, stderr).toBe(0)
}, 120_000)

test.skipIf(launchers[0].missing !== null)('two ranks evaluate to the files of one process', limit, async () => {
  const args = (out: string): string[] => [
    'evaluate',
    inFolder('split.csv'),
    '--from',
    inFolder('alone'),
    '--out',
    inFolder(out),
  ]
  const one = await videomae(...args('report'))
  expect(one.code, one.stderr).toBe(0)
  const { code, stderr, stdout } = await videomaeAlone(
    ...['launch', '--mpirun', launchers[0].program, '--ranks', '2', '--', ...args('report-of-two')],
  )
  expect(code, stderr).toBe(0)
  expect(stdout.match(/^top-1/gm)).toHaveLength(1)
  for (const file of ['evaluation.json', 'predictions.jsonl', 'confusion.svg'])
    expect(read('report-of-two', file), file).toBe(read('report', file))
})

/** Losses, looks at the validation videos and the test of a run, against those of one process. */
function expectSameRun(run: string): void {
  const [actual, expected] = [curve(inFolder(run)), curve(inFolder('alone'))]
  expect(actual.map(({ step, clips }) => [step, clips])).toEqual(expected.map(({ step, clips }) => [step, clips]))
  for (const [i, { loss, gradientNorm }] of expected.entries()) {
    expect(Math.abs(actual[i].loss - loss), `loss of step ${i + 1}`).toBeLessThan(1e-6)
    expect(Math.abs(actual[i].gradientNorm / gradientNorm - 1), `gradient of step ${i + 1}`).toBeLessThan(1e-4)
  }
  const lines = (name: string, file: string): unknown[] =>
    read(name, file)
      .trimEnd()
      .split('\n')
      .map((line) => rounded(JSON.parse(line)))
  for (const file of ['validation.jsonl', path.join('evaluation', 'predictions.jsonl'), 'bad-files.jsonl'])
    expect(lines(run, file), file).toEqual(lines('alone', file))
  const failures = (name: string) => JSON.parse(read(name, 'evaluation', 'evaluation.json')).failures
  expect(failures(run)).toEqual(failures('alone'))
  expect(failures(run)).toHaveLength(1)
  expect(read(run, 'split.csv')).toBe(read('alone', 'split.csv'))
}

/** Numbers to 5 digits: ranks round in another order. */
const rounded = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'number' ? Number(each.toFixed(5)) : each)))

const [launcher] = [...launchers].sort((a, b) => Number(a.missing !== null) - Number(b.missing !== null))

test.skipIf(launcher.missing !== null)('two ranks train, validate and test what one process does', limit, async () => {
  const { name, program } = launcher
  const args = ['launch', '--mpirun', program, '--ranks', '2', '--', ...command(name)]
  const { code, stderr, stdout } = await videomaeAlone(...args)
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('5 steps of 8 clips (2 ranks, 4 on each)')
  // One of them speaks, also of the videos of the other.
  expect(stdout.match(/17 training/g)).toHaveLength(1)
  expect(stderr.match(/Unreadable: .*val\.mp4/g)).toHaveLength(1)
  expectSameRun(name)
  // One process continues where two ranks have saved, with the samples that would have come.
  rmSync(inFolder(name, 'step-00000005'), { recursive: true })
  const resumed = await videomae(...command(name, '--resume'))
  expect(resumed.code, resumed.stderr).toBe(0)
  expect(resumed.stderr).toContain('Resuming after step 3')
  expectSameRun(name)
})
