/** Pretraining on ranks that MPI starts. Oracle: one process with the same recipe. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { startVideomae, videomaeAlone } from '../cli/run-program.ts'
import { brokenVideo, createTinyRun, curve, type TinyRun, untilStep } from '../train/tiny-run.ts'
import { launchers } from './launchers.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-ranks-'))
const place = (name: string): string => path.join(folder, name)
const limit = { timeout: 240_000 }
const installed = launchers.filter(({ missing }) => missing === null)
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0
const script = fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))

let tiny: TinyRun
/** A step is one run of 8 clips in one process, and shared by ranks. */
const settings = ['batch.perRun=8', 'schedule.duration=7 steps', 'engine.threads=1', 'data.workers=1']
const command = (out: string, ...more: readonly string[]): string[] => [
  ...['pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', place(out)],
  ...[...settings, ...more].flatMap((setting) => ['--set', setting]),
]
const launch = (program: string, ranks: number, args: readonly string[]): string[] => [
  ...['launch', '--mpirun', program, '--ranks', String(ranks), '--', ...args],
]

beforeAll(async () => {
  tiny = await createTinyRun(folder)
  const { code, stderr } = await videomaeAlone(...command('alone'))
  expect(code, stderr).toBe(0)
}, 240_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What is the same on any number of ranks: the same samples, so losses differ by rounding alone. */
function expectSameRun(run: string, other: string): void {
  const [actual, expected] = [curve(place(run)), curve(place(other))]
  expect(actual.map(({ step, clips }) => [step, clips])).toEqual(expected.map(({ step, clips }) => [step, clips]))
  for (const [i, { loss, gradientNorm }] of expected.entries()) {
    expect(Math.abs(actual[i].loss - loss), `loss of step ${i + 1}`).toBeLessThan(1e-6)
    expect(Math.abs(actual[i].gradientNorm / gradientNorm - 1), `gradient of step ${i + 1}`).toBeLessThan(1e-4)
  }
  const read = (name: string, file: string): string => readFileSync(path.join(place(name), file), 'utf8')
  expect(read(run, 'bad-files.jsonl')).toBe(read(other, 'bad-files.jsonl'))
  // A resumed run names its engine; threads and decoding processes are what the recipe says, not a rank's part of the machine.
  const configuration = (name: string): unknown => ({
    ...JSON.parse(read(name, 'config.json')),
    engine: null,
    derived: null,
  })
  expect(configuration(run)).toEqual(configuration(other))
}

describe.each(launchers)('$name', ({ name, program, missing }) => {
  it.skipIf(missing !== null)('two ranks train what one process trains', limit, async () => {
    const { code, stderr, stdout } = await videomaeAlone(...launch(program, 2, command(name)))
    expect(code, stderr).toBe(0)
    expectSameRun(name, 'alone')
    // One of them speaks.
    expect(stdout.match(/7 steps, 56 clips/g)).toHaveLength(1)
    expect(stderr).toMatch(new RegExp(`ranks {5}2 over ${name} .*: rank 0 on \\S+ \\(process \\d+\\), rank 1 on`))
    expect(stderr).toContain('7 steps of 8 clips (2 ranks, 4 on each)')
    expect(stderr.match(/Skipping an unreadable video/g)).toHaveLength(1)
  })
})

it.skipIf(installed.length < 2)('both libraries give the same bits', () => {
  const [one, other] = launchers.map(({ name }) => place(name))
  expect(curve(one)).toEqual(curve(other))
  const weights = (run: string) => readFileSync(path.join(run, 'step-00000007/model.safetensors'))
  expect(weights(one).equals(weights(other))).toBe(true)
})

describe.skipIf(installed.length === 0)('a run', () => {
  const { program, flags } = installed[0] ?? launchers[0]

  /** Runs the launcher itself, which can start ranks of different kinds. */
  async function ranks(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (text) => {
      stderr += String(text)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stderr }
  }

  it(
    'goes on with four ranks where one process has stopped, with the samples that would have come',
    limit,
    async () => {
      cpSync(place('alone'), place('more'), { recursive: true })
      rmSync(path.join(place('more'), 'step-00000007'), { recursive: true })
      const { code, stderr } = await videomaeAlone(...launch(program, 4, [...command('more'), '--resume']))
      expect(code, stderr).toBe(0)
      expect(stderr).toContain('Resuming after step 6')
      expect(stderr).toContain('(4 ranks, 2 on each)')
      expectSameRun('more', 'alone')
    },
  )

  it('is saved once, whichever rank is told to stop', limit, async () => {
    const running = startVideomae(...launch(program, 2, command('stopped', 'schedule.duration=100000 steps')))
    await untilStep(running, 2)
    const [, second] = [...running.stderr().matchAll(/\(process (\d+)\)/g)].map(([, id]) => Number(id))
    process.kill(second, 'SIGTERM')
    const { code, stderr } = await running.ended
    expect(code, stderr).toBe(130)
    const stopped = Number(/Stopped after (\d+) of 100000 steps/.exec(stderr)?.[1])
    expect(stderr.match(/\[INTERRUPTED\]/g)).toHaveLength(1)
    expect(existsSync(path.join(place('stopped'), `step-${String(stopped).padStart(8, '0')}`))).toBe(true)
    expect(readdirSync(place('stopped')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('begins on ranks whose videos lie elsewhere, but not where some are missing', limit, async () => {
    const elsewhere = path.join(place('elsewhere'), 'videos')
    cpSync(tiny.videos, elsewhere, { recursive: true })
    const rank = ['-np', '1', '-wdir']
    const run = [
      process.execPath,
      script,
      ...command('differs', 'schedule.duration=4 steps'),
      '--set',
      'data.path=videos',
    ]
    const own = run.filter((part) => part !== tiny.videos)
    const args = [...flags, ...rank, folder, ...own, ':', ...rank, place('elsewhere'), ...own]
    const begun = await ranks(args)
    expect(begun.code, begun.stderr).toBe(0)
    rmSync(place('differs'), { recursive: true })
    rmSync(path.join(elsewhere, brokenVideo))
    const { code, stderr } = await ranks(args)
    expect(code, stderr).toBe(4)
    expect(stderr).toContain('[RANKS_DIFFER]')
    expect(stderr).not.toContain('  data: ')
    expect(stderr).toMatch(/videos: 11 entries, \w+ on rank 0 \(\S+\), 10 entries, \w+ on rank 1 of 2 on \S+/)
  })

  it.skipIf(!hasFfmpeg)('ends on all ranks when one fails alone, with its error and its host', limit, async () => {
    const run = [process.execPath, script, ...command('fails'), '--decoder', 'ffmpeg']
    const other = ['-np', '1', 'env', 'FFMPEG_PATH=nowhere', ...run]
    const { code, stderr } = await ranks([...flags, '-np', '1', ...run, ':', ...other])
    expect(code, stderr).toBe(4)
    expect(stderr).toMatch(/rank 1 of 2 on \S+ failed, so all ranks end:\nvideomae: .* \[DECODER_MISSING\]/)
    // What the launcher says of it comes behind that.
    expect(stderr.slice(0, stderr.indexOf('failed, so all'))).not.toMatch(/MPI_ABORT|Abort\(/)
  })

  it('needs whole videos for every rank', limit, async () => {
    const { code, stderr } = await videomaeAlone(...launch(program, 3, command('thirds')))
    expect(code).toBe(2)
    expect(stderr.match(/\[INVALID_ARGUMENT\]/g)).toHaveLength(1)
    expect(stderr).toContain('a multiple of 6, the number of ranks (3) times data.samplesPerClip (2)')
  })
})

it('launch refuses a command that knows no ranks', async () => {
  const { code, stderr } = await videomaeAlone('launch', '--ranks', '2', '--', 'export', 'x')
  expect(code).toBe(2)
  expect(stderr).toContain('pretrain, finetune, evaluate, predict, features or certify behind --')
})
