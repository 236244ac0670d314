/**
 * Wall time of whole commands on one engine and on another, in turns: the demo, full fine-tuning from the demo's encoder,
 * and base classifiers trained from scratch.
 *
 *     npm run build && npx tsx scripts/bench/native-jobs.ts <folder of labeled videos, a folder per class>
 *         [--engines onnx,native] [--jobs demo,finetune,certify] [--rounds 1] [--steps N] [--epochs 3] [--partitions 4] [--out FOLDER]
 *
 * `--steps`: of the demo's pretraining; default: as many as the demo does. The ratio is the first engine's median time over each other's. Runs stay in FOLDER (default: a temporary one, which is
 * removed).
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engines: { type: 'string', default: 'onnx,native' },
    jobs: { type: 'string', default: 'demo,finetune,certify' },
    rounds: { type: 'string', default: '1' },
    steps: { type: 'string' },
    epochs: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '4' },
    out: { type: 'string' },
  },
})
const [data] = positionals
if (data === undefined) throw new Error('Expected a folder of labeled videos.')
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const root = options.out ?? mkdtempSync(path.join(tmpdir(), 'native-jobs-'))
mkdirSync(root, { recursive: true })

/** Seconds of a command. Certificates that prove nothing end with 6, which is no failure here. */
function seconds(args: readonly string[]): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
  if (status !== 0 && status !== 6) throw new Error(`videomae ${args.join(' ')} ended with ${status}:\n${stderr}`)
  return (performance.now() - start) / 1000
}

/** The folder of the demo's pretraining run, which fine-tuning starts from. */
function pretrained(demo: string): string {
  const run = readdirSync(demo, { recursive: true, encoding: 'utf8' }).find((file) => file.endsWith('config.json'))
  if (run === undefined) throw new Error(`Expected a run with a config.json in ${demo}.`)
  return path.join(demo, path.dirname(run))
}

const demoSteps = options.steps === undefined ? [] : ['--steps', options.steps]
const jobs: Readonly<Record<string, (engine: string, folder: string) => readonly string[]>> = {
  demo: (engine, folder) => ['demo', ...demoSteps, '--engine', engine, '--out', folder],
  finetune: (engine, folder) => [
    ...['finetune', data, '--from', pretrained(start), '--mode', 'full', '--engine', engine, '--out', folder],
    ...['--set', `schedule.duration=${options.epochs} epochs`, '--set', 'schedule.warmup=1 steps'],
  ],
  certify: (engine, folder) => [
    ...['certify', data, '--learner', 'scratch', '--from', pretrained(start), '--epochs', options.epochs],
    ...['--partitions', options.partitions, '--engine', engine, '--out', folder],
  ],
}
const start = path.join(root, 'start')
const wanted = options.jobs.split(',')
if (wanted.some((job) => job !== 'demo')) seconds(['demo', ...demoSteps, '--out', start])

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
for (const job of wanted) {
  const times = new Map(options.engines.split(',').map((engine) => [engine, [] as number[]]))
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [engine, list] of times) {
      list.push(seconds(jobs[job](engine, path.join(root, `${job}-${engine}-${round}`))))
    }
  }
  const [first] = [...times.values()].map(median)
  for (const [engine, list] of times) {
    const ratio = (first / median(list)).toFixed(2)
    console.log(`${job.padEnd(10)} ${engine.padEnd(10)} ${median(list).toFixed(1).padStart(8)} s  ${ratio}x`)
  }
}
if (options.out === undefined) rmSync(root, { recursive: true, force: true })
