/**
 * Interrupts `get`, commands with `hf:` and `dataset split` at random moments, runs them again, and compares every file with those of an
 * undisturbed run. A server on this machine takes the place of the hub and sends slowly. Build before: `npm run build`.
 *
 *   npx tsx scripts/torture-downloads.ts [--trials 12] [--seed 1]
 *
 * Ends with 6 where a file differs, or one is left over.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/index.ts'
import {
  initialize,
  parameterShapes,
  RandomStream,
  resolveConfiguration,
  saveCheckpointDirectory,
} from '../src/model.ts'
import { HubServer } from '../test/support/hub-server.ts'

const { values } = parseArgs({
  options: { trials: { type: 'string', default: '12' }, seed: { type: 'string', default: '1' } },
})
const [trials, seed] = [Number(values.trials), Number(values.seed)]
const root = path.join(import.meta.dirname, '..')
const main = path.join(root, 'dist/cli/main.js')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-downloads-'))
const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const

/** Milliseconds of a run that is ended by `signal` after `after` ms, or ends by itself. */
function run(
  args: readonly string[],
  home: string,
  endpoint: string,
  stop?: { signal: NodeJS.Signals; after: number },
) {
  return new Promise<{ code: number | null; ms: number; text: string }>((resolve) => {
    const began = performance.now()
    const env = { ...process.env, HF_ENDPOINT: endpoint, HF_HOME: home }
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let text = ''
    child.stderr.on('data', (data) => {
      text += data
    })
    const timer = stop && setTimeout(() => child.kill(stop.signal), stop.after)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, ms: performance.now() - began, text })
    })
  })
}

/** Digest of every file below a folder, by its path. */
function files(at: string): Map<string, string> {
  const found = new Map<string, string>()
  if (!existsSync(at)) return found
  for (const entry of readdirSync(at, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = path.join(at, entry)
    if (!statSync(file).isFile()) continue
    found.set(entry, createHash('sha256').update(readFileSync(file)).digest('hex'))
  }
  return found
}

interface Job {
  readonly name: string
  readonly args: (out: string) => readonly string[]
}

const jobs: readonly Job[] = [
  { name: 'get', args: (out) => ['get', 'some/encoder', out] },
  {
    name: 'hf:',
    args: (out) => ['export', 'hf:some/encoder', '--out', path.join(out, 'a.onnx'), '--engine', 'reference'],
  },
  {
    name: 'dataset split',
    args: (out) => ['dataset', 'split', path.join(root, 'data/motion/labels.csv'), '--out', out],
  },
]

const random = new RandomStream(seed, 'torture of downloads')
const encoder = { width: 384, depth: 4, heads: 6 }
const configuration = resolveConfiguration({ encoder, patch: 8, frames: 4, imageSize: 32 })
const state = initialize(parameterShapes(configuration, 'encoder'), 0, 'pretrain')
await saveCheckpointDirectory(path.join(folder, 'encoder'), { configuration, kind: 'encoder', state })
const names = ['config.json', 'preprocessor_config.json', 'model.safetensors']
const published = Object.fromEntries(names.map((name) => [name, readFileSync(path.join(folder, 'encoder', name))]))
const server = new HubServer({ 'some/encoder': published })
await server.start()
let bad = 0
try {
  for (const job of jobs) {
    const at = (trial: string): { out: string; home: string } => {
      const base = path.join(folder, job.name.replaceAll(/\W/g, '-'), trial)
      mkdirSync(path.join(base, 'out'), { recursive: true })
      return { out: path.join(base, 'out'), home: path.join(base, 'home') }
    }
    const whole = at('whole')
    const { code, ms, text } = await run(job.args(whole.out), whole.home, server.endpoint)
    if (code !== 0) throw new Error(`${job.name}: ended with ${code}: ${text}`)
    const wanted = { out: files(whole.out), home: files(whole.home) }
    let interrupted = 0
    for (let trial = 0; trial < trials; trial++) {
      const mine = at(`trial-${trial}`)
      for (let kill = 0; kill < 2; kill++) {
        const stop = { signal: signals[random.integer(signals.length)], after: ms * (0.3 + 0.7 * random.uniform()) }
        if ((await run(job.args(mine.out), mine.home, server.endpoint, stop)).code !== 0) interrupted++
      }
      const last = await run(job.args(mine.out), mine.home, server.endpoint)
      const found = { out: files(mine.out), home: files(mine.home) }
      const differ = (['out', 'home'] as const).flatMap((kind) =>
        [...new Set([...wanted[kind].keys(), ...found[kind].keys()])]
          .filter((name) => wanted[kind].get(name) !== found[kind].get(name))
          .map((name) => `${kind}/${name}`),
      )
      if (last.code === 0 && differ.length === 0) continue
      bad++
      console.log(`${job.name}, trial ${trial}: ended with ${last.code}; ${differ.join(', ')} ${last.text.slice(-300)}`)
    }
    console.log(
      `${job.name}: ${trials} trials, ${interrupted} of ${2 * trials} runs interrupted, ${wanted.out.size} files`,
    )
  }
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
console.log(`seed ${seed}: ${bad} trials differ`)
process.exitCode = bad === 0 ? 0 : exitCodes.checkFailed
