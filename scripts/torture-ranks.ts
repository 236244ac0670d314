/**
 * Kills ranks of distributed training runs at random moments, with no warning (SIGKILL).
 *
 *   npx tsx scripts/torture-ranks.ts [--ranks 4] [--kills 10] [--steps 24] [--mpirun PROGRAM] [--seed 0]
 *
 * Passes when, after each kill, all ranks and the launcher end within 10 s, the launcher ends with 4 and RANK_DIED, no file that has its name
 * is half written, and the run that continues with --resume gives the same losses and the same weights, bit for bit, as one that nobody killed,
 * and leaves nothing behind that was never put in its place. Ends with exit code 6 otherwise.
 * Run `npm run build` first.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/index.ts'
import { RandomStream } from '../src/model.ts'
import { generateMotionDataset } from '../src/synthetic/generate.ts'
import { halfWritten, unfinished } from './support/torture/partial-files.ts'
import { tinyRecipe, trainedResult } from './support/torture/tiny-run.ts'

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '4' },
    kills: { type: 'string', default: '10' },
    steps: { type: 'string', default: '24' },
    mpirun: { type: 'string' },
    seed: { type: 'string', default: '0' },
  },
})
const [ranks, kills, steps] = [values.ranks, values.kills, values.steps].map(Number)

/** Milliseconds after a kill in which everything has to end. */
const limit = 10_000

const main = path.join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(tmpdir(), 'videomae-torture-ranks-'))
const [videos, file] = [path.join(folder, 'videos'), path.join(folder, 'tiny.yaml')]
const stream = new RandomStream(Number(values.seed), 'kills')
const failures: string[] = []

interface Started {
  readonly child: ChildProcess
  readonly said: () => string
  readonly ended: Promise<number | null>
}

function start(out: string, ...more: readonly string[]): Started {
  const launcher = values.mpirun === undefined ? [] : ['--mpirun', values.mpirun]
  const train = ['pretrain', videos, '--recipe', file, '--out', out, ...more]
  const args = [main, 'launch', '--ranks', String(ranks), ...launcher, '--', ...train]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', (part) => {
    text += String(part)
  })
  return { child, said: () => text, ended: new Promise((resolve) => child.on('close', resolve)) }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
const processes = (said: string): number[] => [...said.matchAll(/\(process (\d+)\)/g)].map(([, id]) => Number(id))
/** A process that has ended and was not waited for yet counts as ended. */
const isAlive = (id: number): boolean =>
  existsSync(`/proc/${id}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${id}/status`, 'utf8'))

/** Waits for a line that says so, or for the end. */
async function until(started: Started, seen: (said: string) => boolean): Promise<boolean> {
  let over = false
  void started.ended.then(() => {
    over = true
  })
  while (!seen(started.said())) {
    if (over) return false
    await pause(20)
  }
  return true
}

async function killOne(number: number, expected: string): Promise<void> {
  const out = path.join(folder, `run-${number}`)
  const first = start(out)
  const from = Math.floor(stream.uniform(0, steps - 4))
  if (!(await until(first, (said) => new RegExp(from === 0 ? 'process' : `^step ${from}/`, 'm').test(said)))) {
    failures.push(`run ${number} ended by itself:\n${first.said()}`)
    return
  }
  await pause(stream.uniform(0, 400))
  const ids = processes(first.said())
  const victim = stream.integer(ranks)
  const began = performance.now()
  process.kill(ids[victim], 'SIGKILL')
  const code = await Promise.race([first.ended, pause(limit).then(() => 'late' as const)])
  let alive = ids.filter(isAlive)
  while (alive.length > 0 && performance.now() - began < limit) {
    await pause(20)
    alive = ids.filter(isAlive)
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const checkpoints = existsSync(out) ? readdirSync(out).filter((name) => name.startsWith('step-')) : []
  if (code !== exitCodes.environment || !first.said().includes('[RANK_DIED]') || alive.length > 0) {
    failures.push(`run ${number}: code ${code}, ${alive.length} ranks alive after ${seconds} s:\n${first.said()}`)
    for (const id of alive) process.kill(id, 'SIGKILL')
    if (code === 'late') first.child.kill('SIGKILL')
  }
  const half = existsSync(out) ? await halfWritten(out) : []
  if (half.length > 0) failures.push(`run ${number}: half written after the kill:\n${half.join('\n')}`)
  const aside = existsSync(out) ? unfinished(out).length : 0
  const second = start(out, '--resume')
  const resumed = await second.ended
  const left = [...unfinished(out), ...(await halfWritten(out))]
  if (left.length > 0) failures.push(`run ${number}: left behind by the run that went on:\n${left.join('\n')}`)
  const same = resumed === 0 && trainedResult(out, steps) === expected
  if (!same) failures.push(`run ${number}: ended with ${resumed}, other losses or weights:\n${second.said()}`)
  const where = /Resuming after step (\d+)/.exec(second.said())?.[1] ?? 'the start'
  process.stdout.write(
    `kill ${number}: rank ${victim} after step ${from}; all ended after ${seconds} s with ${code}; ` +
      `${checkpoints.length} checkpoints, ${aside} unfinished; went on from ${where}; ${same ? 'the same bits' : 'OTHER BITS'}\n`,
  )
}

await generateMotionDataset(videos, { clips: 6 * ranks, size: 32, frames: 12 })
writeFileSync(file, tinyRecipe(ranks, steps))
const whole = start(path.join(folder, 'whole'))
if ((await whole.ended) !== 0) throw new Error(`Expected the run that nobody kills to end well:\n${whole.said()}`)
process.stdout.write(`${/^ranks.*? over [^:]+/m.exec(whole.said())?.[0]}, ${steps} steps\n`)
const expected = trainedResult(path.join(folder, 'whole'), steps)
if (unfinished(path.join(folder, 'whole')).length > 0)
  failures.push('The run that nobody kills leaves unfinished files.')
for (let number = 1; number <= kills; number++) await killOne(number, expected)
rmSync(folder, { recursive: true })
process.stdout.write(failures.length === 0 ? 'passed\n' : `${failures.length} failures\n${failures.join('\n')}\n`)
process.exitCode = failures.length === 0 ? exitCodes.success : exitCodes.checkFailed
