/** A certification that is stopped or killed continues, and ends as if it had not been. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeAll, expect, test, vi } from 'vitest'
import { certifyInTurns } from '../../src/certify/certify.ts'
import type { TestInputs } from '../../src/certify/ensemble/feature-set.ts'
import type { TrainedEnsemble } from '../../src/certify/ensemble/learners.ts'
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import { RandomStream } from '../../src/core/random.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { startVideomae, videomae } from '../support/run-program.ts'

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-interruption-')
const videos = path.join(folder, 'videos')
beforeAll(() => generateMotionDataset(videos, { clips: 24, size: 16, frames: 4, seed: 4, classes: ['left', 'right'] }))

test('is stopped in the middle of certifying, and tells how far it is', async () => {
  // One input of so many learners takes longer than a turn; thousands of them would take hours.
  const [learners, inputs, classes] = [1200, 1000, 3]
  const ballots = emptyBallots(inputs, learners, classes, 1)
  const stream = new RandomStream(1, 'votes')
  for (let i = 0; i < ballots.ranks.length; i++) ballots.ranks[i] = stream.integer(classes)
  const offsets = [0, 1, 7, 30]
  const trained = { classes, learners, offsets, vote: async () => ballots } as unknown as TrainedEnsemble<TestInputs>
  const test = { rows: inputs, labels: new Int32Array(inputs) }
  const stop = new AbortController()
  const seen: number[] = []
  const onCertified = (done: number, total: number) => {
    seen.push(done)
    expect(total).toBe(inputs)
    stop.abort(new Error('stopped'))
  }
  await expect(
    certifyInTurns(trained, test, ['fa_exact'], { threads: 1, signal: stop.signal, onCertified }),
  ).rejects.toThrow('stopped')
  expect(seen.length).toBe(1)
  expect(seen[0]).toBeLessThan(inputs)
})

test('continues after signals and kills at any moment, to the same bytes', async () => {
  const command = (out: string) => [
    ...['certify', videos, '--from', 'pixels', '--partitions', '4,6', '--rule', 'dpa,roe,fa', '--spread', '2'],
    ...['--threads', '1', '--workers', '1', '--out', path.join(folder, out)],
  ]
  const read = (out: string) => readFileSync(path.join(folder, out, 'certificate.json'), 'utf8')
  const begin = performance.now()
  expect((await videomae(...command('whole'))).code).toBe(0)
  const whole = performance.now() - begin
  for (const [i, signal] of (['SIGINT', 'SIGKILL', 'SIGTERM', 'SIGHUP'] as const).entries()) {
    const started = startVideomae(...command('stopped'))
    await wait(((i + 2) / 7) * whole)
    started.process.kill(signal)
    const { code, stderr } = await started.ended
    // It may have ended before, or been about to begin; what it says of the signal is tested where that is sure.
    if (code === 130) expect(stderr).toMatch(/stopping|Stopped by/)
  }
  expect((await videomae(...command('stopped'))).code).toBe(0)
  expect(read('stopped')).toBe(read('whole'))
  for (const name of ['buckets-4.json', 'buckets-12.json', 'table.md'])
    expect(existsSync(path.join(folder, 'stopped', name))).toBe(true)
})

test.skipIf(process.platform === 'win32')(
  'ends with 130 at Ctrl-C with collective bounds to come, with whole files only',
  async () => {
    const out = path.join(folder, 'collective')
    const command = (budgets: number) => [
      ...[
        'certify',
        videos,
        '--from',
        'pixels',
        '--partitions',
        '4',
        '--rule',
        'dpa',
        '--threads',
        '1',
        '--workers',
        '1',
      ],
      ...['--collective', Array.from({ length: budgets }, (_, i) => i + 1).join(','), '--out', out],
    ]
    const learners = path.join(out, 'learners', 'k4-d1')
    const trained = () =>
      existsSync(learners) ? readdirSync(learners).filter((name) => /^learners-\d+-\d+\.safetensors$/.test(name)) : []
    const certificate = path.join(out, 'certificate.json')
    // All learners are trained; votes and bounds are to come. A machine that is through with them has more to do.
    for (let [budgets, inTime] = [1000, false]; !inTime; budgets *= 2) {
      expect(budgets).toBeLessThan(20_000)
      rmSync(out, { recursive: true, force: true })
      const started = startVideomae(...command(budgets))
      while (trained().length < 4 && started.process.exitCode === null) await wait(10)
      started.process.kill('SIGINT')
      const { code, stderr } = await started.ended
      inTime = !existsSync(certificate)
      if (inTime) expect(code, stderr).toBe(130)
    }
    // Learners and features are kept; nothing else is there, also not in part.
    expect(readdirSync(out).sort()).toEqual(['learners', 'store'])
    expect(trained()).toHaveLength(4)
    const resumed = await videomae(...command(2), '--json')
    expect(resumed.code, resumed.stderr).toBe(0)
    const { runs } = JSON.parse(readFileSync(certificate, 'utf8')) as { runs: { collective: unknown }[] }
    expect(runs[0].collective).toMatchObject([{ budget: 1 }, { budget: 2 }])
    expect(
      readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /tmp|temporary/.test(name)),
    ).toEqual([])
  },
)
