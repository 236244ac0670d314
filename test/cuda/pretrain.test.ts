/**
 * `videomae pretrain --engine cuda` as users run it, from files to checkpoints, over emulated CUDA libraries: batches
 * that arrive while the step before computes, Ctrl-C, recomputation, a device that fails.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  buildEmulatedToolkit,
  compilationTimeouts,
  emulatedCache,
  emulationMissing,
} from '../support/cuda-emulation/build.ts'
import { startVideomae } from '../support/run-program.ts'
import { createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

vi.setConfig(compilationTimeouts)
const missing = emulationMissing()
/** Bytes of 4 clips of 4 frames of 16 x 16 pixels. */
const frameBytes = 4 * 4 * 16 * 16 * 3
const steps = 4
const settings = [
  ...[`schedule.duration=${steps} steps`, 'schedule.warmup=1 steps', 'checkpoint.every=2 steps'],
  ...['batch.size=4', 'optimizer.ema=null', 'data.workers=1'],
].flatMap((setting) => ['--set', setting])

/** A line of the emulated device's log; `number`: bytes, or the launches so far where something is done. */
interface DeviceEvent {
  readonly what: string
  readonly stream: number
  readonly number: number
}

function readLog(file: string): DeviceEvent[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [what, stream, number] = line.split(' ')
    return { what, stream: Number(stream), number: Number(number) }
  })
}

describe.skipIf(missing !== null)(
  `pretraining on the emulated device${missing === null ? '' : ` (${missing})`}`,
  () => {
    let folder: string
    let tiny: TinyRun
    let log: readonly DeviceEvent[]
    const directory = (name: string): string => path.join(folder, name)
    const checkpoint = (name: string, step: number): string =>
      path.join(directory(name), `step-${String(step).padStart(8, '0')}`)

    function start(name: string, knobs: Readonly<Record<string, string>> = {}, ...more: readonly string[]) {
      const toolkit = buildEmulatedToolkit()
      const variables = { VIDEOMAE_CUDA_LIBRARIES: toolkit, VIDEOMAE_CACHE: emulatedCache(toolkit), ...knobs }
      for (const [variable, value] of Object.entries(variables)) vi.stubEnv(variable, value)
      const options = ['--recipe', tiny.recipe, '--out', directory(name), '--engine', 'cuda', ...settings, ...more]
      const started = startVideomae('pretrain', tiny.videos, ...options)
      vi.unstubAllEnvs()
      return started
    }

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'videomae-cuda-pretrain-'))
      tiny = await createTinyRun(folder)
      // What the other runs are compared with. A step takes long enough here for the next batch to be ready.
      const knobs = { EMULATED_LOG: directory('device.log'), EMULATED_LATENCY: '300' }
      const { code, stderr } = await start('whole', knobs).ended
      expect(code, stderr).toBe(0)
      log = readLog(directory('device.log'))
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))

    test('replays one graph a step, and copies the next batch on a second stream meanwhile', () => {
      expect(curve(directory('whole')).map(({ step }) => step)).toEqual([1, 2, 3, 4])
      // The first step goes launch by launch.
      expect(log.filter(({ what }) => what === 'graph')).toHaveLength(steps - 1)
      expect(log.filter(({ what }) => what === 'capture')).toHaveLength(1)
      const main = log.find(({ what }) => what === 'graph')?.stream
      let during = 0
      for (const [i, { what, stream, number }] of log.entries()) {
        if (what === 'to-device' && number === frameBytes && stream !== main) {
          const around = log.slice(0, i).filter((event) => event.what === 'graph' || event.what === 'done')
          if (around.at(-1)?.what === 'graph') during++
        } else if (what === 'on-device' && number === frameBytes) {
          // Moved to where the step reads it, on the step's stream, which has been told to wait for the copy.
          expect(stream).toBe(main)
          const copied = log.slice(0, i).findLastIndex((event) => event.what === 'to-device' && event.stream !== main)
          expect(log.slice(copied, i).some((event) => event.what === 'wait' && event.stream === main)).toBe(true)
        }
      }
      // Of two graphs that a batch follows; on a busy machine one may come too late.
      expect(during).toBeGreaterThan(0)
      expect(log.filter(({ what, number }) => what === 'on-device' && number === frameBytes).length).toBeGreaterThan(0)
    })

    test('saves and ends with 130 at Ctrl-C while the device works, and continues, recomputing, to the same losses', async () => {
      const recompute = ['--set', 'engine.recompute=blocks']
      const started = start('interrupted', { EMULATED_LATENCY: '300' }, ...recompute)
      await untilStep(started, 1)
      started.process.kill('SIGINT')
      const { code, stderr } = await started.ended
      expect(code, stderr).toBe(130)
      const stopped = curve(directory('interrupted')).at(-1)?.step ?? 0
      expect(stopped).toBeGreaterThan(0)
      expect(stopped).toBeLessThan(steps)
      expect(existsSync(checkpoint('interrupted', stopped))).toBe(true)
      const rest = await start('interrupted', {}, ...recompute, '--resume').ended
      expect(rest.code, rest.stderr).toBe(0)
      expect(curve(directory('interrupted'))).toEqual(curve(directory('whole')))
      const written: unknown = JSON.parse(readFileSync(path.join(directory('interrupted'), 'config.json'), 'utf8'))
      expect(written).toMatchObject({ engine: { name: 'cuda', recompute: 'blocks' }, engineUsed: 'cuda' })
    })

    test('names the operation at which the device fails, keeps the last checkpoint, and continues from it', async () => {
      // In the middle of the last step.
      const [before, after] = log.flatMap(({ what, number }) => (what === 'done' ? [number] : [])).slice(-2)
      const failing = String(Math.floor((before + after) / 2))
      const { code, stderr } = await start('failing', { EMULATED_FAILURE: failing }).ended
      expect(code, stderr).toBe(4)
      expect(stderr).toMatch(
        /failed during one of the operations \w+ #\d+.* of the program \w+: CUDA_ERROR_ILLEGAL_ADDRESS/,
      )
      expect(stderr).toMatch(/VIDEOMAE_CUDA_DEBUG=1/)
      expect(existsSync(checkpoint('failing', 2))).toBe(true)
      expect(existsSync(checkpoint('failing', steps))).toBe(false)
      const rest = await start('failing', {}, '--resume').ended
      expect(rest.code, rest.stderr).toBe(0)
      expect(curve(directory('failing'))).toEqual(curve(directory('whole')))
    })
  },
)
