/** From labeled videos to a shipped classifier through the compiled program, as a user does it. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { startVideomae, videomae } from '../support/run-program.ts'

const folder = folderForTests('videomae-classifier-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const [data, run, recipe] = [inFolder('data'), inFolder('run'), inFolder('recipe.yaml')]
let video = ''

beforeAll(async () => {
  const { files } = await generateMotionDataset(data, { clips: 20, size: 32, frames: 8, classes: ['left', 'up'] })
  video = files[0]
  writeFileSync(
    recipe,
    `mode: ridge
clip: {stride: 1}
model: {from: scratch, width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32}
evaluation: {every: 2 steps, clips: 1, crops: 1}
engine: {threads: 1}
data: {workers: 1}
`,
  )
})

describe('videomae finetune', () => {
  test('prints its configuration as a recipe of the same run', async () => {
    const printed = await videomae('finetune', data, '--recipe', recipe, '--print-config')
    expect(printed.code, printed.stderr).toBe(0)
    writeFileSync(inFolder('printed.yaml'), printed.stdout)
    const again = await videomae('finetune', data, '--recipe', inFolder('printed.yaml'), '--print-config')
    expect(again.stdout).toBe(printed.stdout)
    expect(printed.stdout).toMatch(/every: 2 steps/)
  })

  test('trains, tests, and warns only of lists that say more than the folders', async () => {
    const { code, stdout, stderr } = await videomae('finetune', data, '--recipe', recipe, '--out', run, '--json')
    expect(code, stderr).toBe(0)
    // Counters of work that takes longer than ten seconds are all that a busy machine adds.
    const counter = /^(files read|features of videos|tested videos) \d+\/\d+( {2}.+ left)?$/
    expect(stderr.split('\n').filter((line) => !counter.test(line))).toEqual([
      'note: not used in this run: evaluation.every (mode ridge does not use it)',
      `read ${data} as a folder, 20 videos; label: folders (2 classes); 1 other file not used (labels.csv)`,
      '20 rows: 14 train, 2 validation, 4 test',
      'videos    14 for training, 2 classes',
      'model     width 16, depth 1, 2 heads; 4 frames of 32 x 32; 0.0 million parameters',
      // 14 training videos twice: for all readouts, and for the one that is chosen.
      'training  features of 34 clips, then a head of mode ridge, solved directly',
      expect.stringMatching(/^engine {4}\S+, 1 thread$/),
      expect.stringMatching(/^memory {4}\d+ MB \(parameters.*\); .+ available$/),
      `folder    ${run}`,
      expect.stringMatching(/^Readout \S+: right for .+ of \d+ training videos without their group \(.+\)\.$/),
      '',
    ])
    const result = JSON.parse(stdout) as { videos: unknown; classifier: string; rows: unknown; sources: unknown }
    expect(result.rows).toEqual({ rows: 20, train: 14, validation: 2, test: 4, leftOut: [] })
    expect(result.sources).toMatchObject([{ source: data, kind: 'folder', videos: 20, unusable: [] }])
    expect(result.videos).toEqual({ train: 14, validation: 2, test: 4 })
    expect(result.classifier).toBe(path.join(run, 'best'))
    writeFileSync(path.join(data, 'groups.csv'), `path,label,group\n${video},left,a\n`)
    const warned = await videomae('finetune', data, '--recipe', recipe, '--out', run)
    expect(warned.stderr).toMatch(/^warning: .*groups\.csv in it is not used/m)
    expect(warned.stderr).toMatch(/20 rows: 14 train, 2 validation, 4 test/)
    expect(warned.stdout).toMatch(/validation .* of 2 videos \(95 %: .*chance 50\.0 %\)/)
    expect(warned.stdout).toMatch(/baselines +50\.0 % always left, 50\.0 % chance of 2 classes/)
  })

  test('stops at Ctrl-C with 130 after saving', async () => {
    const out = inFolder('stopped')
    const stopped = startVideomae(
      'finetune',
      data,
      '--recipe',
      recipe,
      '--mode',
      'full',
      '--out',
      out,
      '--set',
      'log.every=1 step',
    )
    const reached = (): boolean => /^step \d+\//m.test(stopped.stderr())
    while (!reached() && stopped.process.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2))
    stopped.process.kill('SIGINT')
    const { code, stderr } = await stopped.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toMatch(/INTERRUPTED\]\n {2}Continue with --resume/)
    expect(readdirSync(out).some((name) => name.startsWith('step-'))).toBe(true)
  })
})

describe('videomae export --classifier', () => {
  test('refuses what it would have to ignore', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await videomae('export', run, '--out', inFolder('x.onnx'), ...args)
      expect(code).toBe(2)
      expect(existsSync(inFolder('x.onnx'))).toBe(false)
      return stderr
    }
    const messages = await Promise.all([
      refused('--fp16'),
      refused('--format', 'huggingface'),
      refused('--classifier', '--check', video),
      refused('--classifier', '--calibrate', data),
      refused('--classifier', '--fp16', '--int8'),
    ])
    const expected = [
      /--classifier with --fp16/,
      /--classifier with --format/,
      /--evaluate/,
      /int8-static/,
      /at most one/,
    ]
    for (const [i, message] of messages.entries()) expect(message).toMatch(expected[i])
  })

  test('replaces no folder that is not its own', async () => {
    const out = inFolder('precious')
    mkdirSync(out)
    writeFileSync(path.join(out, 'mine.txt'), 'mine')
    const args = ['export', run, '--classifier', '--format', 'huggingface', '--out']
    const { code, stderr } = await videomae(...args, out)
    expect([code, stderr]).toEqual([2, expect.stringContaining('EXPORT_FOLDER')])
    expect(readdirSync(out)).toEqual(['mine.txt'])
    for (let time = 0; time < 2; time++) expect((await videomae(...args, inFolder('hf'))).code).toBe(0)
  })

  test('writes a file that predicts alone', async () => {
    mkdirSync(inFolder('alone'))
    const file = inFolder('classifier.onnx')
    const exported = await videomae(
      'export',
      run,
      '--classifier',
      '--out',
      file,
      '--evaluate',
      path.join(run, 'split.csv'),
    )
    expect(exported.code, exported.stderr).toBe(0)
    expect(exported.stdout).toMatch(/4 of 4 test videos get the same answer/)
    copyFileSync(file, inFolder('alone', 'c.onnx'))
    const predict = async (from: string) => {
      const { code, stdout } = await videomae('predict', video, '--from', from, '--json')
      expect(code).toBe(0)
      return (JSON.parse(stdout) as { predictions: { classes: { label: string; probability: number }[] }[] })
        .predictions[0]
    }
    const [a, b] = [await predict(inFolder('alone', 'c.onnx')), await predict(run)]
    expect(a.classes.map(({ label }) => label)).toEqual(b.classes.map(({ label }) => label))
    expect(a.classes[0].probability).toBeCloseTo(b.classes[0].probability, 5)
    // A folder and a list are all of their videos.
    const several = await videomae(
      'predict',
      path.join(data, 'up'),
      path.join(run, 'split.csv'),
      '--from',
      file,
      '--json',
    )
    expect(several.code, several.stderr).toBe(0)
    const all = JSON.parse(several.stdout) as { predictions: unknown[]; sources: { kind: string }[] }
    expect(all.predictions).toHaveLength(30)
    expect(all.sources.map(({ kind }) => kind)).toEqual(['folder', 'list'])
    const failed = await videomae('predict', recipe, '--from', file, '--json')
    expect(failed.code).toBe(3)
    expect(JSON.parse(failed.stdout)).toMatchObject({ predictions: [{ ok: false }] })
    const table = inFolder('predictions.csv')
    const timeLine = ['predict', video, '--from', file, '--windows', '0.4', '--threshold', '0.999', '--csv']
    const shown = await videomae(...timeLine, table)
    expect(shown.code, shown.stderr).toBe(0)
    expect(shown.stdout).toMatch(/ 0 s to 0\.4 s\n {2}none of these: no class has a probability of 0\.999\n/)
    expect(shown.stdout.match(/none of these/g)).toHaveLength(2)
    const printed = await videomae(...timeLine, '-')
    expect(printed.stdout).toBe(readFileSync(table, 'utf8'))
    expect(printed.stdout.split('\n')[2]).toMatch(/00000\.mp4,0\.4,0\.666,,,(left|up),0\.\d+,(left|up),0\.\d+,,$/)
    const taken = await videomae(...timeLine, path.join(run, 'split.csv'))
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringMatching(/OUTPUT_TAKEN[\s\S]*--csv/)])
  })
})

describe('videomae evaluate', () => {
  test('writes a report and one JSON document', async () => {
    const out = inFolder('report')
    const split = path.join(run, 'split.csv')
    const { code, stdout } = await videomae('evaluate', split, '--from', run, '--clips', '1', '--out', out, '--json')
    expect(code).toBe(0)
    const { scores, rows } = JSON.parse(stdout) as {
      scores: { videos: number; baseline: unknown }
      rows: { leftOut: unknown[] }
    }
    expect(scores.videos).toBe(4)
    expect(scores.baseline).toEqual({ majority: { label: 'left', value: 0.5 }, chance: 0.5 })
    expect(rows).toMatchObject({ rows: 20, test: 4 })
    expect(rows.leftOut).toHaveLength(16)
    expect(readdirSync(out).sort()).toEqual([
      'confusion.json',
      'confusion.png',
      'confusion.svg',
      'evaluation.json',
      'predictions.jsonl',
    ])
    expect(readFileSync(path.join(out, 'confusion.png')).subarray(1, 4).toString()).toBe('PNG')
  })
})

describe('data of which too little can be read', () => {
  const bad = inFolder('bad')
  beforeAll(() => {
    mkdirSync(path.join(bad, 'left'), { recursive: true })
    for (let i = 0; i < 4; i++) writeFileSync(path.join(bad, 'left', `${i}.mp4`), `no video ${i}`)
  })

  test('is an error where a class has no training video left', async () => {
    const ups = readdirSync(path.join(data, 'up')).map((name) => path.join(data, 'up', name))
    const lefts = readdirSync(path.join(bad, 'left')).map((name) => path.join(bad, 'left', name))
    const rows = [...ups.map((file) => `${file},up`), ...lefts.map((file) => `${file},left`)]
    writeFileSync(inFolder('half.csv'), `path,label\n${rows.join('\n')}\n`)
    const { code, stdout } = await videomae(
      'finetune',
      inFolder('half.csv'),
      '--recipe',
      recipe,
      '--out',
      inFolder('half'),
      '--json',
    )
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'VIDEO_UNREADABLE', message: expect.stringMatching(/none of left can be read/) },
    })
  })

  test('is an error where features have no row', async () => {
    const { code, stdout } = await videomae('features', bad, '--from', run, '--out', inFolder('none'), '--json')
    expect([code, JSON.parse(stdout)]).toMatchObject([3, { error: { code: 'VIDEO_UNREADABLE' } }])
    expect(existsSync(inFolder('none', 'features.npy'))).toBe(false)
  })
})

test('videomae predict --watch predicts what is there and what comes, until Ctrl-C', async () => {
  const [inbox, table] = [inFolder('inbox'), inFolder('arrived.csv')]
  mkdirSync(inbox)
  copyFileSync(video, path.join(inbox, 'first.mp4'))
  const watching = startVideomae('predict', inbox, '--from', run, '--watch', '--json', '--csv', table)
  const rows = (): number => (existsSync(table) ? readFileSync(table, 'utf8').trim().split('\n').length - 1 : 0)
  const until = async (count: number) => {
    while (rows() < count && watching.process.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await until(1)
  writeFileSync(path.join(inbox, 'broken.mp4'), 'no video')
  await until(2)
  watching.process.kill('SIGINT')
  const { code, stdout, stderr } = await watching.ended
  expect(code, stderr).toBe(0)
  expect(stderr).toContain(`watching ${inbox}`)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { video: string })
  expect(lines).toMatchObject([
    { video: path.join(inbox, 'first.mp4'), ok: true, label: expect.stringMatching(/^(left|up)$/) },
    { video: path.join(inbox, 'broken.mp4'), ok: false, code: expect.stringMatching(/^VIDEO_/) },
  ])
})
