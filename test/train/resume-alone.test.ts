/**
 * A run that continues from its folder alone, with other values, and for longer; and what it writes down as a recipe. Oracle: the
 * same run without an interruption.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startVideomae, startVideomaeFrom, videomae } from '../support/run-program.ts'
import { brokenVideo, createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

const slow = 600_000

let folder: string
let tiny: TinyRun
let whole: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-resume-alone-'))
  tiny = await createTinyRun(folder)
  whole = path.join(folder, 'whole')
  const { code, stderr } = await videomae(...beginning(whole))
  expect(code, stderr).toBe(0)
}, slow)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Not what the recipe or the defaults say, so that a run that reads these instead of its own values is noticed. */
const own = ['--threads', '1', '--workers', '1', '--seed', '7', '--set', 'optimizer.clipNorm=2']
const beginning = (run: string) => ['pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', run, ...own]
const begin = (run: string) => startVideomae(...beginning(run))
const resumption = (run: string, ...more: string[]) => ['pretrain', '--resume', '--out', run, ...more]
const resume = (run: string, ...more: string[]) => startVideomae(...resumption(run, ...more))
/** To its end, in a process that has run other commands. */
const resumeHere = (run: string, ...more: string[]) => videomae(...resumption(run, ...more))

async function stopAt(started: ReturnType<typeof startVideomae>, step: number, signal: NodeJS.Signals): Promise<void> {
  await untilStep(started, step)
  started.process.kill(signal)
  await started.ended
}

describe('videomae pretrain --resume --out RUN', () => {
  test(
    'continues with the values of the run, to the same losses',
    async () => {
      const run = path.join(folder, 'stopped')
      await stopAt(begin(run), 8, 'SIGKILL')
      await stopAt(resume(run), 20, 'SIGINT')
      const { code, stderr } = await resumeHere(run)
      expect(code, stderr).toBe(0)
      expect(curve(run)).toEqual(curve(whole))
    },
    slow,
  )

  test(
    'continues from another working folder, though its data and its start were named by relative paths',
    async () => {
      const elsewhere = path.join(folder, 'elsewhere')
      mkdirSync(elsewhere)
      const start = ['pretrain', 'videos', '--recipe', tiny.recipe, '--out', 'relative', ...own]
      await stopAt(startVideomaeFrom(folder, ...start), 8, 'SIGKILL')
      const run = path.join(folder, 'relative')
      const resumed = await startVideomaeFrom(elsewhere, 'pretrain', '--resume', '--out', run).ended
      expect(resumed.code, resumed.stderr).toBe(0)
      expect(resumed.stderr).not.toContain('another value')
      expect(curve(run)).toEqual(curve(whole))

      const files = readdirSync(tiny.videos, { recursive: true }).map(String)
      const clips = files.filter((name) => name.endsWith('.mp4') && name !== brokenVideo)
      const rows = clips.map((name, k) => `${path.join(tiny.videos, name)},${k % 2}`)
      writeFileSync(path.join(folder, 'labels.csv'), `path,label\n${rows.join('\n')}\n`)
      const sets = ['batch.size=2', 'schedule.duration=4 steps', 'schedule.warmup=0 steps', 'checkpoint.every=1 step']
      const tune = ['finetune', 'labels.csv', '--from', 'relative', '--mode', 'full', '--out', 'tuned']
      const all = [
        ...tune,
        '--threads',
        '1',
        '--set',
        'data.workers=1',
        '--set',
        'log.every=1 step',
        ...sets.flatMap((set) => ['--set', set]),
      ]
      const once = await startVideomaeFrom(folder, ...all).ended
      expect(once.code, once.stderr).toBe(0)
      const tuned = path.join(folder, 'tuned')
      const again = await startVideomaeFrom(elsewhere, 'finetune', '--resume', '--out', tuned).ended
      expect(again.code, again.stderr).toBe(0)
      expect(again.stderr).toContain('Resuming after step 4')
    },
    slow,
  )

  test(
    'names what was given besides and differs, and takes what may',
    async () => {
      const before = readFileSync(path.join(whole, 'config.json'), 'utf8')
      const values = ['--seed', '4', '--set', 'optimizer.weightDecay=0.1', '--workers', '2']
      const { code, stderr } = await resumeHere(whole, ...values)
      expect(code, stderr).toBe(2)
      expect(stderr).toMatch(/seed: 7 -> 4[\s\S]*RESUME_MISMATCH/)
      expect(stderr).toContain('optimizer.weightDecay: 0.05 -> 0.1')
      expect(stderr).not.toContain('data.workers')
      const recipe = await resumeHere(whole, '--recipe', tiny.recipe)
      expect(recipe.code, recipe.stderr).toBe(2)
      expect(recipe.stderr).toMatch(/optimizer\.clipNorm: 2 -> null/)
      expect(readFileSync(path.join(whole, 'config.json'), 'utf8')).toBe(before)
      const taken = await resumeHere(whole, '--workers', '2')
      expect(taken.code, taken.stderr).toBe(0)
      expect(taken.stderr).toMatch(/data\.workers: 1 -> 2/)
    },
    slow,
  )

  test(
    'makes a run longer: the same up to there, and bit-identical however it is stopped from there on',
    async () => {
      const [longer, again] = ['longer', 'longer-stopped'].map((name) => path.join(folder, name))
      cpSync(whole, longer, { recursive: true })
      cpSync(whole, again, { recursive: true })
      const length = ['--set', 'schedule.duration=60 steps']
      const { code, stderr } = await resumeHere(longer, ...length)
      expect(code, stderr).toBe(0)
      expect(stderr).toMatch(/schedule\.duration: "40 steps" -> "60 steps"/)
      expect(stderr).toMatch(/The learning rate follows the new length from step 41/)
      expect(curve(longer)).toHaveLength(60)
      expect(curve(longer).slice(0, 40)).toEqual(curve(whole))
      await stopAt(resume(again, ...length), 47, 'SIGKILL')
      const rest = await resumeHere(again)
      expect(rest.code, rest.stderr).toBe(0)
      expect(curve(again)).toEqual(curve(longer))

      const shorter = await resumeHere(again, '--set', 'schedule.duration=50 steps')
      expect([shorter.code, shorter.stderr]).toEqual([
        2,
        expect.stringMatching(/at least 60 steps[\s\S]*RESUME_MISMATCH/),
      ])
    },
    slow,
  )

  test(
    'says what is missing where there is nothing to continue from',
    async () => {
      const { code, stderr } = await resumeHere(path.join(folder, 'nothing'))
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/the folder has no config\.json[\s\S]*INVALID_ARGUMENT/),
      ])
    },
    slow,
  )
})

describe('as a recipe', () => {
  async function printed(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await videomae(command, ...args, '--print-config')
    expect(code, stderr).toBe(0)
    return stdout
  }

  test.each([
    [
      'pretrain',
      ['--recipe', 'k400-b', '--set', 'clip.stride=null', '--set', 'clip.fps=8', '--set', 'schedule.warmup=3 steps'],
    ],
    [
      'finetune',
      ['--recipe', 'finetune-laptop', '--from', 'somewhere', '--mode', 'full', '--set', 'evaluation.every=7 steps'],
    ],
  ])(
    'what %s --print-config prints gives the same again',
    async (command, args) => {
      const first = await printed(command, tiny.videos, ...args)
      const file = path.join(folder, `${command}.yaml`)
      writeFileSync(file, first)
      expect(await printed(command, '--recipe', file)).toBe(first)
      const json = path.join(folder, `${command}.json`)
      writeFileSync(json, await printed(command, '--recipe', file, '--json'))
      expect(await printed(command, '--recipe', json)).toBe(first)
    },
    slow,
  )

  test(
    'config.json of a run gives the configuration of the run',
    async () => {
      const first = await printed('pretrain', tiny.videos, '--recipe', tiny.recipe, ...own)
      const again = await printed('pretrain', '--recipe', path.join(whole, 'config.json'))
      // What may differ was given to a run that was resumed: the number of processes.
      expect(again.replace(/workers: \d/, 'workers: 1').replace(/^( +name): \w+$/m, '$1: auto')).toBe(first)
    },
    slow,
  )
})
