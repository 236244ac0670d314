/**
 * Everything that the CUDA engine has to show on a GPU, in one command:
 *
 *     npx tsx scripts/gpu-check.ts --data <folder of videos> [--python python3] [--only suites,curves,speed,idle]
 *
 * suites: the tests of test/cuda on the GPU instead of the emulation. curves: 200 steps on real clips, ONNX against CUDA.
 * speed: training steps against PyTorch. idle: the GPU's idle share with the loader feeding it. Run `npm run build` first.
 * The result of each part and the GPU's name go to gpu-check.log for docs/log.md. Not yet run on hardware.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/core/errors.ts'
import { inThreadCudaEngine } from '../src/engine/cuda/index.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    python: { type: 'string' },
    only: { type: 'string', default: 'suites,curves,speed,idle' },
    log: { type: 'string', default: 'gpu-check.log' },
  },
})
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const wanted = values.only.split(',')
const { available, detail } = await inThreadCudaEngine.probe()
console.log(detail)
if (!available) process.exit(exitCodes.environment)

interface Part {
  readonly name: string
  readonly command: readonly string[]
  readonly needsData: boolean
}

const data = values.data === undefined ? [] : [path.resolve(values.data)]
const script = (name: string, ...more: readonly string[]) => ['tsx', path.join('scripts', 'bench', name), ...more]
const suites = ['operations', 'attention', 'training', 'parity'].map((name) => `test/cuda/${name}.test.ts`)
const python = values.python === undefined ? [] : ['--python', values.python]
const parts: readonly Part[] = [
  { name: 'suites', command: ['vitest', 'run', '--no-file-parallelism', ...suites], needsData: false },
  { name: 'curves', command: script('gpu-curves.ts', ...data), needsData: true },
  { name: 'speed', command: script('gpu-train-step.ts', ...python), needsData: false },
  { name: 'idle', command: script('gpu-idle.ts', ...data), needsData: true },
]
const log = [`${new Date().toISOString()} ${detail}`]
let failed = false
for (const { name, command, needsData } of parts.filter((part) => wanted.includes(part.name))) {
  if (needsData && data.length === 0) {
    log.push(`\n## ${name}: skipped, there is no --data`)
    continue
  }
  console.log(`\n## ${name}: npx ${command.join(' ')}`)
  const done = spawnSync('npx', command, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
    env: { ...process.env, VIDEOMAE_CUDA_TEST: 'hardware' },
  })
  process.stdout.write(done.stdout)
  failed ||= done.status !== 0
  log.push(`\n## ${name}: npx ${command.join(' ')} -> exit ${done.status}\n${done.stdout}`)
}
writeFileSync(values.log, log.join('\n'))
console.log(`\n${failed ? 'FAILED' : 'passed'}; the output is in ${values.log}`)
if (failed) process.exit(exitCodes.checkFailed)
