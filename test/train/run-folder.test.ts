/** Two runs of one folder, and what a run has written down: the compiled program, killed and started again. */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startVideomae } from '../support/run-program.ts'
import { createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

let folder: string
let tiny: TinyRun
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-run-folder-'))
  tiny = await createTinyRun(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const start = (run: string, ...more: string[]) =>
  startVideomae('pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', run, '--threads', '1', ...more)

describe('the folder of a run', () => {
  const steps = ['--set', 'schedule.duration=400 steps']

  test('is refused to a second run while the first one lives, and taken over when that was killed', async () => {
    const run = path.join(folder, 'shared')
    const first = start(run, ...steps)
    await untilStep(first, 5)
    for (const more of [['--resume'], []]) {
      const { code, stderr } = await start(run, ...steps, ...more).ended
      expect([code, stderr]).toEqual([2, expect.stringContaining(`is in use by process ${first.process.pid}`)])
      expect(stderr).toContain('RUN_LOCKED')
      expect(stderr).not.toMatch(/damaged/i)
    }
    expect(first.process.exitCode).toBeNull()
    first.process.kill('SIGKILL')
    await first.ended
    expect(readdirSync(run)).toContain('run-1.lock')

    const again = start(run, ...steps, '--resume')
    await untilStep(again, curve(run).at(-1)!.step + 3)
    again.process.kill('SIGINT')
    const { code, stderr } = await again.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain(`of process ${first.process.pid}, which has ended`)
    expect(readdirSync(run).filter((name) => name.includes('lock') || name.startsWith('damaged'))).toEqual([])
    // Every step once, in order: nobody else has written there.
    expect(curve(run).map(({ step }) => step)).toEqual(curve(run).map((_, i) => i + 1))
  })

  test('keeps its history: a torn last line is written again, a damaged one ends before anything is changed', async () => {
    const run = path.join(folder, 'history')
    const first = start(run)
    await untilStep(first, 10)
    first.process.kill('SIGINT')
    expect((await first.ended).code).toBe(130)
    const [metrics, configuration] = ['metrics.jsonl', 'config.json'].map((name) => path.join(run, name))
    const whole = readFileSync(metrics, 'utf8')

    writeFileSync(metrics, whole.replace('{"step":2,', '{"st'))
    const damaged = readFileSync(metrics, 'utf8')
    const before = readFileSync(configuration, 'utf8')
    const refused = await start(run, '--resume').ended
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringMatching(/line 2 is not one[\s\S]*HISTORY_UNREADABLE/),
    ])
    expect([metrics, configuration].map((file) => readFileSync(file, 'utf8'))).toEqual([damaged, before])

    writeFileSync(metrics, whole)
    appendFileSync(metrics, '{"step":99,"loss":')
    const { code, stderr } = await start(run, '--resume').ended
    expect(code, stderr).toBe(0)
    expect(readFileSync(metrics, 'utf8').startsWith(whole)).toBe(true)
    expect(curve(run).map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
  })
})
