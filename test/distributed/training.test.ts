/** Pretraining on ranks that MPI starts. Oracle: one process with the same recipe. */
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { launchers } from '../support/launchers.ts'
import { type StartedProgram, startProgram, videomaeAlone } from '../support/run-program.ts'
import { brokenVideo, createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

const folder = folderForTests('videomae-ranks-')
const inFolder = (name: string): string => path.join(folder, name)
const limit = { timeout: 240_000 }
const installed = launchers.filter(({ missing }) => missing === null)
const script = fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))

let tiny: TinyRun
/** A step is one run of 8 clips in one process, and shared by ranks. */
const settings = ['batch.perRun=8', 'schedule.duration=7 steps', 'engine.threads=1', 'data.workers=1']
const command = (out: string, ...more: readonly string[]): string[] => [
  ...['pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', inFolder(out)],
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

/** What is the same on any number of ranks: the same samples, so losses differ by rounding alone. */
function expectSameRun(run: string, other: string): void {
  const [actual, expected] = [curve(inFolder(run)), curve(inFolder(other))]
  expect(actual.map(({ step, clips }) => [step, clips])).toEqual(expected.map(({ step, clips }) => [step, clips]))
  for (const [i, { loss, gradientNorm }] of expected.entries()) {
    expect(Math.abs(actual[i].loss - loss), `loss of step ${i + 1}`).toBeLessThan(1e-6)
    expect(Math.abs(actual[i].gradientNorm / gradientNorm - 1), `gradient of step ${i + 1}`).toBeLessThan(1e-4)
  }
  const read = (name: string, file: string): string => readFileSync(path.join(inFolder(name), file), 'utf8')
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
  test.skipIf(missing !== null)('two ranks train what one process trains', limit, async () => {
    const { code, stderr, stdout } = await videomaeAlone(...launch(program, 2, command(name)))
    expect(code, stderr).toBe(0)
    expectSameRun(name, 'alone')
    // One of them speaks.
    expect(stdout.match(/7 steps, 56 clips/g)).toHaveLength(1)
    expect(stderr).toMatch(
      new RegExp(
        `ranks {5}2 over ${name} .*: rank 0 on \\S+ \\(process \\d+\\), rank 1 on .*; addresses: \\S+ \\S+$`,
        'm',
      ),
    )
    expect(stderr).toContain('7 steps of 8 clips (2 ranks, 4 on each)')
    expect(stderr.match(/Skipping an unreadable video/g)).toHaveLength(1)
  })
})

test.skipIf(installed.length < 2)('both libraries give the same bits', () => {
  const [one, other] = launchers.map(({ name }) => inFolder(name))
  expect(curve(one)).toEqual(curve(other))
  const weights = (run: string) => readFileSync(path.join(run, 'step-00000007/model.safetensors'))
  expect(weights(one).equals(weights(other))).toBe(true)
})

describe.skipIf(installed.length === 0)('a run', () => {
  const { program, flags } = installed[0] ?? launchers[0]

  /** Starts the launcher itself, which can start ranks of different kinds. */
  function startRanks(args: readonly string[]): StartedProgram {
    return startProgram({ program }, args)
  }

  test(
    'continues with four ranks where one process has stopped, with the samples that would have come',
    limit,
    async () => {
      cpSync(inFolder('alone'), inFolder('more'), { recursive: true })
      rmSync(path.join(inFolder('more'), 'step-00000007'), { recursive: true })
      const { code, stderr } = await videomaeAlone(...launch(program, 4, [...command('more'), '--resume']))
      expect(code, stderr).toBe(0)
      expect(stderr).toContain('Resuming after step 6')
      expect(stderr).toContain('(4 ranks, 2 on each)')
      expectSameRun('more', 'alone')
    },
  )

  describe('on ranks whose videos are elsewhere', () => {
    const elsewhere = inFolder('elsewhere')
    beforeAll(() => cpSync(tiny.videos, path.join(elsewhere, 'videos'), { recursive: true }))

    function onBoth(out: string): string[] {
      const rank = ['-np', '1', '-wdir']
      const data = ['schedule.duration=100000 steps', 'data.path=videos']
      const run = [process.execPath, script, ...command(out, ...data)].filter((part) => part !== tiny.videos)
      return [...flags, ...rank, folder, ...run, ':', ...rank, elsewhere, ...run]
    }

    test('is saved once, whichever rank is told to stop', limit, async () => {
      const running = startRanks(onBoth('stopped'))
      await untilStep(running, 2)
      const [, second] = [...running.stderr().matchAll(/\(process (\d+)\)/g)].map(([, id]) => Number(id))
      process.kill(second, 'SIGTERM')
      const { code, stderr } = await running.ended
      expect(code, stderr).toBe(130)
      const stopped = Number(/Stopped after (\d+) of 100000 steps/.exec(stderr)?.[1])
      expect(stderr.match(/\[INTERRUPTED\]/g)).toHaveLength(1)
      expect(existsSync(path.join(inFolder('stopped'), `step-${String(stopped).padStart(8, '0')}`))).toBe(true)
      expect(readdirSync(inFolder('stopped')).filter((name) => name.startsWith('.'))).toEqual([])
    })

    test('does not begin where some are missing, and says so once', limit, async () => {
      rmSync(path.join(elsewhere, 'videos', brokenVideo))
      const { code, stderr } = await startRanks(onBoth('differs')).ended
      expect(code, stderr).toBe(4)
      expect(stderr.match(/\[RANKS_DIFFER\]/g)).toHaveLength(1)
      expect(stderr).not.toContain('  data: ')
      expect(stderr).toMatch(/videos: 11 entries, \w+ on rank 0 \(\S+\), 10 entries, \w+ on rank 1 of 2 on \S+/)
    })
  })

  test('does not begin with another command on one rank, which would wait for other calls', limit, async () => {
    const rank = ['-np', '1', process.execPath, script]
    const features = ['features', tiny.videos, '--from', inFolder('alone'), '--out', inFolder('other-command')]
    const { code, stderr } = await startRanks([...flags, ...rank, ...command('other'), ':', ...rank, ...features]).ended
    expect(code, stderr).toBe(4)
    expect(stderr.match(/\[RANKS_DIFFER\]/g)).toHaveLength(1)
    expect(stderr).toMatch(/command: pretrain on rank 0 \(\S+\), features on rank 1 of 2 on \S+/)
    expect(existsSync(inFolder('other'))).toBe(false)
  })

  test('ends on all ranks when one fails alone, with its error and its host', limit, async () => {
    // One rank has an ffmpeg, which reads nothing; the other has none.
    const ffmpeg = inFolder('ffmpeg')
    writeFileSync(
      ffmpeg,
      '#!/bin/sh\ncase "$*" in *-version) echo ffmpeg version 7.1 ;; *-protocols) ;; *) exit 1 ;; esac\n',
    )
    chmodSync(ffmpeg, 0o755)
    const run = [process.execPath, script, ...command('fails'), '--decoder', 'ffmpeg']
    const rank = (program: string) => ['-np', '1', 'env', `FFMPEG_PATH=${program}`, ...run]
    const { code, stderr } = await startRanks([...flags, ...rank(ffmpeg), ':', ...rank('nowhere')]).ended
    expect(code, stderr).toBe(4)
    expect(stderr).toMatch(/rank 1 of 2 on \S+ failed, so all ranks end:\nvideomae: .* \[DECODER_MISSING\]/)
    // What the launcher says of it comes behind that.
    expect(stderr.slice(0, stderr.indexOf('failed, so all'))).not.toMatch(/MPI_ABORT|Abort\(/)
  })
})

test.skipIf(launchers[0].missing !== null)(
  'one process of a launcher that does not say how many there are ends',
  limit,
  async () => {
    const env = { ...process.env, PMIX_RANK: '0', VIDEOMAE_MPI: 'libmpi.so.40' }
    const running = startProgram({ env }, [script, 'pretrain', inFolder('nowhere'), '--out', inFolder('never')])
    const { code, stderr } = await running.ended.finally(() => running.process.kill('SIGKILL'))
    expect(code, stderr).toBe(2)
    expect(stderr).toContain('[VIDEO_SOURCE_NOT_FOUND]')
  },
)

test('launch refuses a command that knows no ranks', async () => {
  const { code, stderr } = await videomaeAlone('launch', '--ranks', '2', '--', 'export', 'x')
  expect(code).toBe(2)
  expect(stderr).toContain('pretrain, finetune, evaluate, predict, features or certify after --')
})
