/**
 * Everything that the CUDA engine has to show on a GPU, in one command:
 *
 *     npx tsx scripts/gpu-check.ts --data <folder of videos> [--python python3] [--only suites,curves,speed,idle]
 *         [--log gpu-check.log] [--dry-run]
 *
 * suites: the tests of test/cuda on the GPU instead of the emulation. curves: 300 steps on real clips, ONNX against CUDA.
 * speed: training steps against PyTorch. idle: the GPU's idle share with the loader feeding it. Run `npm run build` first.
 * The result of each part and the GPU's name go to gpu-check.log for dev/log.md. --dry-run makes every part small enough
 * for an emulated device, to try the command itself. The suites and our side of speed have run on an H200; curves, idle
 * and the comparison with PyTorch have not run on hardware yet.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { inThreadCudaEngine } from '../src/engine/cuda/index.ts'
import { exitCodes } from '../src/index.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    python: { type: 'string' },
    only: { type: 'string', default: 'suites,curves,speed,idle' },
    log: { type: 'string', default: 'gpu-check.log' },
    'dry-run': { type: 'boolean', default: false },
  },
})
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const names = ['suites', 'curves', 'speed', 'idle'] as const
const wanted = values.only.split(',')
const unknown = wanted.find((name) => !names.some((known) => known === name))
if (unknown !== undefined) {
  console.error(`Expected parts among ${names.join(', ')} for --only, received ${unknown}.`)
  process.exit(exitCodes.usage)
}
const { available, detail } = await inThreadCudaEngine.probe()
console.log(detail)
if (!available) process.exit(exitCodes.environment)

interface Part {
  readonly name: (typeof names)[number]
  readonly command: readonly string[]
  readonly needsData: boolean
}

const data = values.data === undefined ? [] : [path.resolve(values.data)]
const script = (name: string, ...more: readonly string[]) => [
  ...['--import', 'tsx', path.join('scripts', 'bench', name)],
  ...more,
]
const dryRun = values['dry-run']
const small = (...options: readonly string[]): readonly string[] => (dryRun ? options : [])
const suites = (dryRun ? ['training'] : ['operations', 'attention', 'layer-norm', 'training', 'parity']).map(
  (name) => `test/cuda/${name}.test.ts`,
)
const vitest = path.join('node_modules', 'vitest', 'vitest.mjs')
const little = ['--preset', 'tiny', '--resolution', '32', '--batch', '4', '--steps', '2']
const python = values.python === undefined ? [] : ['--python', values.python]
const parts: readonly Part[] = [
  { name: 'suites', command: [vitest, 'run', '--no-file-parallelism', ...suites], needsData: false },
  {
    name: 'curves',
    command: script('engine-curves.ts', ...data, '--sides', 'onnx,cuda-fp32,cuda-bf16', ...small(...little)),
    needsData: true,
  },
  {
    name: 'speed',
    command: script('gpu-train-step.ts', ...python, ...small('--dry-run', '--steps', '2')),
    needsData: false,
  },
  { name: 'idle', command: script('gpu-idle.ts', ...data, ...small(...little)), needsData: true },
]
const log = [`${new Date().toISOString()} ${detail}`]
let failed = false
let skipped = false
for (const { name, command, needsData } of parts.filter((part) => wanted.includes(part.name))) {
  if (needsData && data.length === 0) {
    skipped = true
    log.push(`\n## ${name}: skipped, there is no --data`)
    continue
  }
  console.log(`\n## ${name}: node ${command.join(' ')}`)
  const done = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
    env: { ...process.env, VIDEOMAE_CUDA_TEST: 'hardware' },
  })
  process.stdout.write(done.stdout)
  failed ||= done.status !== 0
  log.push(`\n## ${name}: node ${command.join(' ')} -> exit ${done.status}\n${done.stdout}`)
}
const verdict = failed ? 'FAILED' : skipped ? 'passed as far as it ran: curves and idle need --data' : 'passed'
log.push(`\n${dryRun ? 'dry run: ' : ''}${verdict}`)
writeFileSync(values.log, `${log.join('\n')}\n`)
console.log(`\n${verdict}; the output is in ${values.log}`)
if (failed) process.exit(exitCodes.checkFailed)
