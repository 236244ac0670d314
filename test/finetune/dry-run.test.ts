/**
 * What fine-tuning and certification say and refuse before anything is allocated. Oracle: the folder next to the data, which must stay as it
 * is, and sizes that no machine has.
 */
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'

const folder = folderForTests('videomae-dry-run-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const clips = 10
const model = 'model: {width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32}\nclip: {stride: 1}\n'
const common = 'data: {workers: 1}\nbatch: {size: 4, perRun: 4}\nschedule: {duration: 3 steps, warmup: 0 steps}\n'

beforeAll(async () => {
  const options = { clips, size: 32, frames: 8, seed: 5, classes: ['left', 'up'] as const }
  const { files, labels } = await generateMotionDataset(inFolder('data'), options)
  const rows = files.map((file, k) => `${file},${labels[k]},${k < 6 ? 'train' : k < 8 ? 'val' : 'test'}`)
  writeFileSync(inFolder('list.csv'), `path,label,split\n${rows.join('\n')}\n`)
  writeFileSync(inFolder('recipe.yaml'), model + common)
  // Many parts of the last video to test on: with all views of each, features that fit into no memory.
  const rest = rows.slice(0, 9).map((row) => `${row},,`)
  const parts = Array.from({ length: 2000 }, (_, k) => `${rows[9]},0,${0.1 + k / 1e6}`)
  writeFileSync(inFolder('parts.csv'), `path,label,split,start,end\n${[...rest, ...parts].join('\n')}\n`)
})

const finetune = (mode: string, ...more: string[]) => finetuneOn('list.csv', mode, ...more)
const finetuneOn = (list: string, mode: string, ...more: string[]) =>
  videomae(
    ...['finetune', inFolder(list), '--from', 'scratch', '--recipe', inFolder('recipe.yaml'), '--mode', mode],
    ...['--out', inFolder('run'), '--engine', 'onnx', '--threads', '1', ...more],
  )
const files = (): string[] => readdirSync(folder, { recursive: true }).map(String).sort()

const large = ['model.width=768', 'model.heads=12']

describe('finetune --dry-run', () => {
  test.each([
    ['full', '3 steps of 4 clips, 12 clips in all'],
    ['linear', 'features of 26 clips, then a head of mode linear: 100 steps of 6 rows'],
    ['attentive', 'features of 20 clips, then a head of mode attentive: 20 steps of 6 rows'],
    ['ridge', 'features of 26 clips, then a head of mode ridge, solved directly'],
  ])('in mode %s says what the run would be and writes nothing', async (mode, training) => {
    const before = files()
    // 6 training and 2 validation clips, and 2 videos of 6 views each; training clips twice where a readout is chosen.
    const views = ['--set', 'evaluation.clips=3', '--set', 'evaluation.crops=2']
    const { code, stdout, stderr } = await finetune(mode, '--dry-run', ...views)
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('10 rows: 6 train, 2 validation, 2 test')
    expect(stderr).toMatch(/^videos {4}6 for training, 2 classes$/m)
    expect(stderr).toContain(`training  ${training}`)
    expect(stderr).toMatch(/^memory {4}\d+ MB \(.*\); .* available$/m)
    expect(stderr).toMatch(/^engine {4}onnx, 1 thread$/m)
    expect(stdout).toMatch(/^dry run {3}6 videos opened$/m)
    expect(files()).toEqual(before)
  })

  test('proposes a batch for few videos, and nothing more where it is taken', async () => {
    const asked = await finetune('full', '--dry-run', '--set', 'batch.size=2', '--set', 'batch.perRun=2')
    const sets = /^proposal {2}4 clips per step instead of 2: .* \((--set batch\.size=4 --set batch\.perRun=\d)\)$/m
    expect(asked.stderr).toMatch(sets)
    const taken = await finetune('full', '--dry-run', ...sets.exec(asked.stderr)![1].split(' '))
    expect(taken.stderr).not.toContain('proposal')
    const head = await finetune('ridge', '--dry-run', '--set', 'batch.size=2', '--set', 'batch.perRun=2')
    expect(head.stderr).not.toContain('proposal')
  })

  test.each([
    [
      'full',
      'list.csv',
      ['batch.size=4096', 'batch.perRun=4096', 'model.resolution=224', 'model.width=192'],
      /^ {2}Set batch\.perRun=\d+ \(/m,
    ],
    [
      'attentive',
      'list.csv',
      [...large, 'model.resolution=448', 'model.frames=16', 'probe.clips=1024'],
      /^ {2}Show each video fewer times .*--mode linear or ridge/m,
    ],
    [
      'linear',
      'parts.csv',
      [...large, 'evaluation.clips=1024', 'evaluation.crops=64'],
      /^ {2}Show each video fewer times .*--force/m,
    ],
    [
      'ridge',
      'parts.csv',
      [...large, 'evaluation.clips=1024', 'evaluation.crops=64'],
      /^ {2}Show each video fewer times/m,
    ],
  ])(
    'in mode %s is refused with numbers where the run does not fit, and so is the run',
    async (mode, list, sets, hint) => {
      const before = files()
      for (const more of [['--dry-run'], []]) {
        const { code, stderr } = await finetuneOn(list, mode, ...more, ...sets.flatMap((set) => ['--set', set]))
        expect(code, stderr).toBe(4)
        expect(stderr).toMatch(
          /fits into the available memory \(.*\), but it needs about [\d.]+ GB \(.*\[OUT_OF_MEMORY\]/,
        )
        expect(stderr).toMatch(hint)
      }
      expect(files().filter((name) => !name.startsWith('run'))).toEqual(before)
      expect(files().filter((name) => /config|split|step|best|features/.test(name))).toEqual([])
    },
  )

  test('refuses the folder of another purpose, as the run does', async () => {
    const { code, stderr } = await videomae(
      ...['finetune', inFolder('list.csv'), '--from', 'scratch', '--recipe', inFolder('recipe.yaml'), '--dry-run'],
      ...['--mode', 'ridge', '--out', folderOfSomethingElse()],
    )
    expect(code).toBe(2)
    expect(stderr).toContain('[RUN_FOLDER]')
  })
})

function folderOfSomethingElse(): string {
  const other = mkdtempSync(path.join(folder, 'other-'))
  writeFileSync(path.join(other, 'config.json'), '{}')
  return other
}

describe.each(['scratch', 'full'])('certify --learner %s', (learner) => {
  test('is refused before a video is decoded where its learners do not fit, and says what they would be', async () => {
    const encoder = inFolder(`encoder-${learner}`)
    const made = await videomae(
      ...['finetune', inFolder('list.csv'), '--from', 'scratch', '--recipe', inFolder('recipe.yaml'), '--mode', 'full'],
      ...['--out', encoder, '--engine', 'onnx', '--threads', '1'],
      ...['model.width=96', 'model.heads=4', 'model.resolution=64', 'model.frames=8'].flatMap((set) => ['--set', set]),
    )
    expect(made.code, made.stderr).toBe(0)
    writeFileSync(inFolder('large.yaml'), 'batch: {size: 65536, perRun: 65536}\n')
    const out = inFolder(`certificate-${learner}`)
    const { code, stderr } = await videomae(
      ...[
        'certify',
        inFolder('list.csv'),
        '--from',
        `untrained:${encoder}`,
        '--learner',
        learner,
        '--recipe',
        inFolder('large.yaml'),
      ],
      ...['--partitions', '2', '--engine', 'onnx', '--threads', '2', '--out', out],
    )
    expect(code, stderr).toBe(4)
    expect(stderr).toMatch(/^base classifiers train width 96, .* 65536 clips per run, up to 2 at once on onnx$/m)
    expect(stderr).toMatch(/needs about [\d.]+ GB \(.*\[OUT_OF_MEMORY\]\n {2}Not even one base classifier fits/)
    expect(readdirSync(out)).toEqual([])
  })
})
