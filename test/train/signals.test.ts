/** Runs that are told to stop: by which signal, and with nobody left to read what they say. Oracle: the checkpoint that they leave. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startVideomae } from '../cli/run-program.ts'
import { createTinyRun, curve, type TinyRun, untilStep } from './tiny-run.ts'

let folder: string
let tiny: TinyRun
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-signals-'))
  tiny = await createTinyRun(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function start(run: string, ...more: string[]) {
  const all = ['--recipe', tiny.recipe, '--engine', 'onnx', '--threads', '1', '--set', 'schedule.duration=100000 steps']
  return startVideomae('pretrain', tiny.videos, '--out', run, ...all, '--set', 'checkpoint.every=100000 steps', ...more)
}

const saved = (run: string): boolean =>
  existsSync(path.join(run, `step-${String(curve(run).at(-1)!.step).padStart(8, '0')}`))

describe.skipIf(process.platform === 'win32')('a run saves and ends with 130', () => {
  it.each(['SIGTERM', 'SIGHUP'] as const)('at %s', async (signal) => {
    const run = path.join(folder, signal)
    const started = start(run)
    await untilStep(started, 3)
    started.process.kill(signal)
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain(`${signal}: stopping; once more quits at once.`)
    expect(saved(run)).toBe(true)
  })

  it('at SIGHUP when the terminal is gone', async () => {
    const run = path.join(folder, 'no-terminal')
    const started = start(run)
    await untilStep(started, 3)
    started.process.stderr!.destroy()
    started.process.stdout!.destroy()
    started.process.kill('SIGHUP')
    expect((await started.ended).code).toBe(130)
    expect(saved(run)).toBe(true)
  })
})

it.skipIf(process.platform === 'win32')('a run goes on when nobody reads its progress any more', async () => {
  const run = path.join(folder, 'unread')
  const started = start(run)
  await untilStep(started, 3)
  started.process.stderr!.destroy()
  const before = curve(run).at(-1)!.step
  while (curve(run).at(-1)!.step < before + 20 && started.process.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  started.process.kill('SIGTERM')
  expect((await started.ended).code).toBe(130)
  expect(saved(run)).toBe(true)
})
