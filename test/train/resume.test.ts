import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { listEngines } from '../../src/engine/index.ts'
import { shownSteps } from '../support/read-events.ts'
import { startVideomae, videomae } from '../support/run-program.ts'
import { brokenVideo, createTinyRun, curve, type TinyRun, untilStep } from '../support/tiny-run.ts'

/**
 * Oracle: the same command run without any interruption. Engines: those that run on a processor and keep their state in
 * float32; the reference engine keeps float64 and rounds what it is asked for, so that saving cannot be exact there. The engine tfjs is
 * too slow for so many runs; its session tests show that equal runs give equal bits and that states are read and written exactly.
 */
const engines = (await listEngines())
  .filter(({ name, available }) => available && !['cuda', 'webgpu', 'tfjs', 'reference'].includes(name))
  .map(({ name }) => name)

let folder: string
let tiny: TinyRun
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-resume-'))
  tiny = await createTinyRun(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function arguments_(run: string, engine: string, ...more: string[]): string[] {
  // The engine reference has one thread, and refuses the option.
  const threads = engine === 'reference' ? [] : ['--threads', '1']
  // Two decoding processes on one engine are enough: batches do not depend on their number.
  const workers = ['--workers', engine === engines[0] ? '2' : '1']
  return [
    ...['pretrain', tiny.videos, '--recipe', tiny.recipe, '--out', run, '--engine', engine],
    ...[...threads, ...workers, ...more],
  ]
}

describe.each(engines)('a run on the engine %s', (engine) => {
  let whole: string
  beforeAll(async () => {
    whole = path.join(folder, `${engine}-whole`)
    const { code, stderr } = await videomae(...arguments_(whole, engine))
    expect(code, stderr).toBe(0)
  })

  test('learns, notes the video that cannot be read once, and keeps the newest checkpoints', () => {
    const losses = curve(whole).map(({ loss }) => loss)
    expect(losses).toHaveLength(40)
    expect(losses.at(-1)!).toBeLessThan(losses[0]!)
    const bad = readFileSync(path.join(whole, 'bad-files.jsonl'), 'utf8').trimEnd().split('\n')
    expect(bad).toHaveLength(1)
    expect(JSON.parse(bad[0]!)).toMatchObject({ id: brokenVideo })
    expect(readdirSync(whole).filter((name) => name.startsWith('step-'))).toEqual(['step-00000039', 'step-00000040'])
    expect(readdirSync(path.join(whole, 'step-00000040')).sort()).toEqual([
      'config.json',
      'ema',
      'model.safetensors',
      'optimizer.safetensors',
      'preprocessor_config.json',
      'trainer-state.json',
      'training-manifest.json',
      'videomae.sha256',
    ])
  })

  test('gives bit-identical losses and weights after kill -9 at random moments and --resume', async () => {
    const run = path.join(folder, `${engine}-killed`)
    const random = new RandomStream(20_221_122, engine)
    let started = startVideomae(...arguments_(run, engine))
    for (const earliest of [4, 23]) {
      await untilStep(started, earliest + random.integer(4))
      await new Promise((resolve) => setTimeout(resolve, random.integer(12)))
      started.process.kill('SIGKILL')
      expect((await started.ended).signal).toBe('SIGKILL')
      started = startVideomae(...arguments_(run, engine, '--resume'))
    }
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/Resuming after step \d+/)
    expect(curve(run)).toEqual(curve(whole))
    for (const file of ['model.safetensors', 'optimizer.safetensors', 'ema/model.safetensors', 'bad-files.jsonl']) {
      const location = file.endsWith('.jsonl') ? file : path.join('step-00000040', file)
      expect(readFileSync(path.join(run, location)).equals(readFileSync(path.join(whole, location))), file).toBe(true)
    }
    expect(readdirSync(run).filter((name) => name.startsWith('.'))).toEqual([])
    // Three starts, three event files, and still every step is shown once.
    const shown = await shownSteps(path.join(run, 'tensorboard'), 'train/loss')
    expect(shown).toEqual(curve(whole).map(({ step, loss }) => [step, Math.fround(loss)]))
  })

  test('saves and ends with 130 at Ctrl-C, and continues to the same losses', async () => {
    const run = path.join(folder, `${engine}-interrupted`)
    const started = startVideomae(...arguments_(run, engine))
    await untilStep(started, 10)
    started.process.kill('SIGINT')
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain('Continue with --resume')
    const stopped = curve(run).at(-1)!.step
    expect(existsSync(path.join(run, `step-${String(stopped).padStart(8, '0')}`))).toBe(true)

    const again = await videomae(...arguments_(run, engine))
    expect(again.code).toBe(2)
    expect(again.stderr).toMatch(/RUN_EXISTS/)
    const other = await videomae(
      ...arguments_(run, engine, '--resume', '--set', 'optimizer.weightDecay=0.1', '--seed', '4'),
    )
    expect(other.code).toBe(2)
    expect(other.stderr).toMatch(/optimizer\.weightDecay: 0\.05 -> 0\.1[\s\S]*RESUME_MISMATCH/)
    expect(other.stderr).toMatch(/seed: 0 -> 4/)

    const rest = await videomae(...arguments_(run, engine, '--resume', '--json', '--quiet'))
    expect(rest.code, rest.stderr).toBe(0)
    expect(rest.stderr).toBe('')
    expect(JSON.parse(rest.stdout)).toMatchObject({ steps: 40, clips: 320, engine })
    expect(curve(run)).toEqual(curve(whole))
  })

  // The engine has no part in the following.
  if (engine !== engines[0]) return

  test.skipIf(process.platform !== 'linux')('gives the same losses when decoding children are killed', async () => {
    const run = path.join(folder, `${engine}-orphaned`)
    const started = startVideomae(...arguments_(run, engine))
    const random = new RandomStream(7, engine)
    let killed = 0
    for (const step of [1, 8, 15, 22]) {
      await untilStep(started, step)
      const children = childrenOf(started.process.pid!)
      if (children.length === 0) continue
      process.kill(children[random.integer(children.length)]!, 'SIGKILL')
      killed++
    }
    const { code, stderr } = await started.ended
    expect(code, stderr).toBe(0)
    expect(killed).toBeGreaterThan(0)
    expect(curve(run)).toEqual(curve(whole))
  })

  test('falls back to the newest whole checkpoint when a newer one is damaged', async () => {
    const run = path.join(folder, `${engine}-killed`)
    await truncate(path.join(run, 'step-00000040', 'optimizer.safetensors'), 100)
    const { code, stderr } = await videomae(...arguments_(run, engine, '--resume'))
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/step-00000040: optimizer\.safetensors: expected SHA-256/)
    expect(stderr).toContain('Resuming after step 39')
    expect(curve(run)).toEqual(curve(whole))
    expect(readdirSync(run).filter((name) => name.includes('step-'))).toEqual([
      'damaged-step-00000040',
      'step-00000039',
      'step-00000040',
    ])
  })
})

describe('a run that goes wrong', () => {
  const engine = 'reference'

  test('stops with 5 when the loss is not finite, names the files and leaves the last checkpoint', async () => {
    const run = path.join(folder, 'diverged')
    const args = [
      '--set',
      'optimizer.baseLearningRate=1e36',
      '--set',
      'checkpoint.every=1 step',
      '--set',
      'schedule.warmup=0 steps',
    ]
    const { code, stderr } = await videomae(...arguments_(run, engine, ...args))
    expect(code, stderr).toBe(5)
    expect(stderr).toMatch(/Expected a finite (loss|gradient norm) in step \d+[\s\S]*\.mp4[\s\S]*NON_FINITE/)
    expect(readdirSync(run).some((name) => name.startsWith('step-'))).toBe(true)
  })

  test('stops with 5 when the weights are not finite, and saves nothing', async () => {
    const run = path.join(folder, 'overflowed')
    const sets = ['optimizer.baseLearningRate=1e300', 'schedule.duration=1 step', 'schedule.warmup=0 steps']
    const { code, stderr } = await videomae(...arguments_(run, engine, ...sets.flatMap((set) => ['--set', set])))
    expect(code, stderr).toBe(5)
    expect(stderr).toMatch(/Expected finite values in \S+ after step 1, but value \d+ .*\[NON_FINITE\]/)
    expect(readdirSync(run).filter((name) => name.includes('step-'))).toEqual([])
  })

  test('names the key of a wrong recipe and ends with 2', async () => {
    const { code, stderr } = await videomae(...arguments_('unused', engine, '--set', 'model.dept=3'))
    expect(code).toBe(2)
    expect(stderr).toContain('did you mean "depth"?')
  })
})

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}
