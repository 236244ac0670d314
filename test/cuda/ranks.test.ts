/**
 * Two ranks that each have an emulated GPU: MPI starts them, or nothing but variables, and NCCL sums, a stand-in that maps one file into
 * both processes.
 * Oracle: one process with the same recipe.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import {
  buildEmulatedToolkit,
  compilationTimeouts,
  emulatedCache,
  emulationMissing,
} from '../support/cuda-emulation/build.ts'
import type { FinishedProgram } from '../support/finished-program.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { launchers } from '../support/launchers.ts'
import { type StartedProgram, startVideomaeIn } from '../support/run-program.ts'
import { createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

vi.setConfig(compilationTimeouts)
const mpi = launchers.find((each) => each.missing === null)
const missing = emulationMissing()
/** A run that is stopped after its first step has some left. */
const steps = 6

describe.skipIf(missing !== null)(`ranks on emulated devices${missing === null ? '' : ` (${missing})`}`, () => {
  const folder = folderForTests('videomae-cuda-ranks-')
  const inFolder = (name: string): string => path.join(folder, name)
  let tiny: TinyRun
  beforeAll(async () => {
    tiny = await createTinyRun(folder)
  })

  const trainings = new Map<string, Promise<FinishedProgram>>()

  function start(
    name: string,
    launch: readonly string[],
    variables: Readonly<Record<string, string>> = {},
    more: readonly string[] = [],
    flags: readonly string[] = [],
  ) {
    const toolkit = buildEmulatedToolkit()
    const settings = [
      ...['engine.name=cuda', `schedule.duration=${steps} steps`, 'schedule.warmup=1 steps', 'data.workers=1'],
      ...more,
    ]
    const command = ['pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', inFolder(name)]
    const env = {
      ...process.env,
      VIDEOMAE_CUDA_LIBRARIES: toolkit,
      VIDEOMAE_CACHE: emulatedCache(toolkit),
      ...{ VIDEOMAE_MPI_TIMEOUT: '120', EMULATED_LOG: log(name), ...variables },
    }
    const set = settings.flatMap((setting) => ['--set', setting])
    return startVideomaeIn(env, ...launch, ...command, ...set, ...flags)
  }

  const log = (name: string): string => inFolder(`${name}.log`)
  const under = (program: string): string[] => ['launch', '--mpirun', program, '--ranks', '2', '--']

  const processesOf = ({ stderr }: StartedProgram): number[] =>
    [...stderr().matchAll(/\(process (\d+)\)/g)].map(([, id]) => Number(id))

  async function expectTrained(name: string, launch: readonly string[], flags: readonly string[] = []) {
    const started = start(name, launch, {}, [], flags)
    trainings.set('alone', trainings.get('alone') ?? start('alone', []).ended)
    const alone = await trainings.get('alone')
    expect(alone?.code, alone?.stderr).toBe(0)
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(0)
    expect(stderr).toContain(`${steps} steps of 8 clips (2 ranks, 4 on each)`)
    const [actual, expected] = [curve(inFolder(name)), curve(inFolder('alone'))]
    expect(actual).toHaveLength(steps)
    for (const [i, { loss, gradientNorm }] of expected.entries()) {
      expect(Math.abs(actual[i].loss - loss), `loss of step ${i + 1}`).toBeLessThan(1e-6)
      expect(Math.abs(actual[i].gradientNorm / gradientNorm - 1), `gradient of step ${i + 1}`).toBeLessThan(1e-4)
    }
    return stderr
  }

  test.skipIf(mpi === undefined)(
    'train what one process trains, with the sum on a stream of its own and in the graph of a step',
    async () => {
      await expectTrained('mpi', under(mpi?.program ?? ''))
      const lines = readFileSync(log('mpi'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
      const streamsOf = (what: string) => new Set(lines.filter(([each]) => each === what).map(([, stream]) => stream))
      // Those of the first step; all others are in the graph.
      expect(streamsOf('sum').size).toBeGreaterThan(0)
      for (const stream of streamsOf('sum')) expect(streamsOf('launch')).not.toContain(stream)
      expect(lines.filter(([what]) => what === 'graph')).toHaveLength(2 * (steps - 1))
    },
  )

  test('train the same without MPI, also where Ctrl-C has stopped them and --resume continues', async () => {
    const stopped = start('nccl', under('none'))
    await untilStep(stopped, 1)
    const [, second] = processesOf(stopped)
    // The others wait for it in the sum: the run cannot end before it is told to stop.
    process.kill(second, 'SIGSTOP')
    stopped.process.kill('SIGINT')
    await vi.waitUntil(() => stopped.stderr().includes('SIGINT: stopping'), { timeout: 300_000 })
    process.kill(second, 'SIGCONT')
    const { code, stderr: said } = await stopped.ended
    expect(code, said).toBe(130)
    expect(said).toMatch(
      new RegExp(`Stopped after [1-${steps - 1}] of ${steps} steps; all of them are saved.* \\[INTERRUPTED\\]`),
    )
    const stderr = await expectTrained('nccl', under('none'), ['--resume'])
    expect(stderr).toMatch(/ranks {5}2 over NCCL 2\.32\.3: rank 0 on \S+ \(process \d+\), rank 1 on/)
    if (mpi === undefined) return
    const saved = (name: string, file: string) => readFileSync(path.join(inFolder(name), `step-0000000${steps}`, file))
    for (const file of ['model.safetensors', 'optimizer.safetensors', 'ema/model.safetensors'])
      expect(saved('nccl', file).equals(saved('mpi', file)), file).toBe(true)
    expect(curve(inFolder('nccl'))).toEqual(curve(inFolder('mpi')))
  })

  test('without MPI, end where one of them is killed, and a sum on the CPU is refused', async () => {
    const refused = start('refused', under('none'), {}, ['engine.name=reference'])
    const running = start('killed', under('none'), {}, ['schedule.duration=100000 steps'])
    await untilStep(running, 2)
    const [, second] = processesOf(running)
    process.kill(second, 'SIGKILL')
    const { code, stderr } = await running.ended
    expect(code, stderr).toBe(4)
    expect(stderr).toMatch(/Expected rank 1 of 2 on \S+ to continue .* \[RANK_DIED\]/)
    const { code: usage, stderr: why } = await refused.ended
    expect(why).toContain('[LAUNCHER_UNSUPPORTED]')
    expect(usage).toBe(2)
  })

  test.skipIf(mpi === undefined)('end together, with advice, where one of them has no NCCL', async () => {
    // Found, and no library.
    const toolkit = mkdtempSync(path.join(folder, 'toolkit-'))
    writeFileSync(path.join(toolkit, 'libnccl.so.2'), 'this is no library')
    const libraries = `${toolkit}${path.delimiter}${buildEmulatedToolkit()}`
    const { code, stderr } = await start('none', under(mpi?.program ?? ''), { VIDEOMAE_CUDA_LIBRARIES: libraries })
      .ended
    expect(stderr).toContain('[NCCL_UNAVAILABLE]')
    expect(stderr).toContain('Install NCCL on every machine')
    expect(code).toBe(4)
  })
})
