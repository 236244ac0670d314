/**
 * Two ranks that each have an emulated GPU: MPI starts them, and NCCL sums, a stand-in that maps one file into both processes.
 * Oracle: one process with the same recipe.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startVideomaeIn } from '../cli/run-program.ts'
import { launchers } from '../distributed/launchers.ts'
import { createTinyRun, curve, type TinyRun } from '../train/tiny-run.ts'
import { buildEmulatedToolkit, compilationTimeouts, emulatedCache, emulationMissing } from './emulation/build.ts'

vi.setConfig(compilationTimeouts)
const [launcher] = [...launchers].sort((a, b) => Number(a.missing !== null) - Number(b.missing !== null))
const missing = emulationMissing() ?? launcher.missing
const steps = 3

describe.skipIf(missing !== null)(`ranks on emulated devices${missing === null ? '' : ` (${missing})`}`, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-cuda-ranks-'))
  const place = (name: string): string => path.join(folder, name)
  let tiny: TinyRun
  beforeAll(async () => {
    tiny = await createTinyRun(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function train(name: string, ranks: number, variables: Readonly<Record<string, string>> = {}) {
    const toolkit = buildEmulatedToolkit()
    const settings = [`schedule.duration=${steps} steps`, 'schedule.warmup=1 steps', 'data.workers=1'].flatMap(
      (setting) => ['--set', setting],
    )
    const command = [
      'pretrain',
      tiny.videos,
      '--recipe',
      tiny.recipe,
      '--out',
      place(name),
      '--engine',
      'cuda',
      ...settings,
    ]
    const launch = ['launch', '--mpirun', launcher.program, '--ranks', String(ranks), '--']
    const env = {
      ...process.env,
      VIDEOMAE_CUDA_LIBRARIES: toolkit,
      VIDEOMAE_CACHE: emulatedCache(toolkit),
      ...variables,
    }
    return startVideomaeIn(env, ...(ranks === 1 ? [] : launch), ...command).ended
  }

  it('train what one process trains, with the sum on a stream of its own and in the graph of a step', async () => {
    const alone = await train('alone', 1)
    expect(alone.code, alone.stderr).toBe(0)
    const log = place('device.log')
    const { code, stderr } = await train('two', 2, { EMULATED_LOG: log })
    expect(code, stderr).toBe(0)
    expect(stderr).toContain(`${steps} steps of 8 clips (2 ranks, 4 on each)`)
    const [actual, expected] = [curve(place('two')), curve(place('alone'))]
    expect(actual).toHaveLength(steps)
    for (const [i, { loss, gradientNorm }] of expected.entries()) {
      expect(Math.abs(actual[i].loss - loss), `loss of step ${i + 1}`).toBeLessThan(1e-6)
      expect(Math.abs(actual[i].gradientNorm / gradientNorm - 1), `gradient of step ${i + 1}`).toBeLessThan(1e-4)
    }
    const lines = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    const streamsOf = (what: string) => new Set(lines.filter(([each]) => each === what).map(([, stream]) => stream))
    // Those of the first step; all others are in the graph.
    expect(streamsOf('sum').size).toBeGreaterThan(0)
    for (const stream of streamsOf('sum')) expect(streamsOf('launch')).not.toContain(stream)
    expect(lines.filter(([what]) => what === 'graph')).toHaveLength(2 * (steps - 1))
  })

  it('end together, with advice, where one of them has no NCCL', async () => {
    // Found, and no library.
    const toolkit = mkdtempSync(path.join(folder, 'toolkit-'))
    writeFileSync(path.join(toolkit, 'libnccl.so.2'), 'this is no library')
    const libraries = `${toolkit}${path.delimiter}${buildEmulatedToolkit()}`
    const { code, stderr } = await train('none', 2, { VIDEOMAE_CUDA_LIBRARIES: libraries })
    expect(stderr).toContain('[NCCL_UNAVAILABLE]')
    expect(stderr).toContain('Install NCCL on every machine')
    expect(code).toBe(4)
  })
})
