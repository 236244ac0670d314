/**
 * Times whole training steps of the CUDA engine on the GPU of this machine, and the PyTorch twin on the same GPU:
 * clips per second, memory, share of the measured matrix rate, where the time goes.
 *
 *     npx tsx scripts/bench/gpu-train-step.ts [--python python3] [--case pretrain-base]... [--steps 30]
 *         [--precision bfloat16] [--batch 32] [--algebra lean|published] [--kernels] [--json out.json]
 *
 * Without --python only our side runs; exit code 6 where the twin fails. --dry-run tries the script itself on tiny sizes,
 * our side on the emulation say, the twin on the CPU. --kernels lists kernels and products instead of operations. Our side
 * has run on an H200, the twin not yet.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openCudaSession } from '../../src/engine/cuda/index.ts'
import { Graph, linear } from '../../src/graph.ts'
import { exitCodes } from '../../src/index.ts'
import { dryRunCases, type GpuCase, gpuCases, prepareCase } from './support/gpu-cases.ts'
import { programOperations } from './support/gpu-operations.ts'

type Precision = 'bfloat16' | 'float32'

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** Operations per second of one large product on random data: the ceiling that steps are measured against. */
async function matrixRate(precision: Precision, size: number): Promise<number> {
  const graph = new Graph('matrix rate')
  const [x, w] = [graph.state('x', [size, size]), graph.state('w', [size, size])]
  const program = graph.build({ y: linear(linear(linear(x, w), w), w) })
  const session = openCudaSession([program], { precision })
  const random = Float32Array.from({ length: size * size }, () => Math.random() * 0.02 - 0.01)
  await session.writeState(
    new Map([
      ['x', random],
      ['w', random],
    ]),
  )
  await session.profile(program.name, {})
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    for (const { label, milliseconds } of await session.profile(program.name, {})) {
      if (label.includes('linear')) times.push(milliseconds)
    }
  }
  await session.close()
  return (2 * size ** 3) / (median(times) / 1000)
}

interface Result {
  readonly name: string
  readonly batch: number
  readonly precision: Precision
  readonly milliseconds: number
  readonly clipsPerSecond: number
  /** Model operations per second over the measured matrix rate. */
  readonly utilization: number
  readonly floorMilliseconds: number
  readonly memory: { readonly state: number; readonly workspace: number }
  readonly busyShare: number
  readonly operations: readonly { readonly operation: string; readonly milliseconds: number }[]
  readonly loss: number
}

interface TimingOptions {
  readonly precision: Precision
  readonly steps: number
  /** Operations per second of `matrixRate`. */
  readonly rate: number
  readonly kernels: boolean
}

async function timeCase(given: GpuCase, { precision, steps, rate, kernels }: TimingOptions): Promise<Result> {
  const { training, state, inputs } = prepareCase(given)
  const session = openCudaSession(training.programs, { precision })
  await session.writeState(state)
  const times: number[] = []
  let loss = Number.NaN
  let busyBefore = 0
  let next = inputs(1)
  const warmUp = 5
  for (let step = 1; step <= warmUp + steps; step++) {
    if (step === warmUp + 1) busyBefore = session.busyMilliseconds
    const began = performance.now()
    const running = session.run(training.step, next)
    next = inputs(step + 1)
    await session.prefetch(training.step, next)
    loss = (await running).loss[0]
    if (step > warmUp) times.push(performance.now() - began)
  }
  const total = times.reduce((a, b) => a + b, 0)
  const busyShare = (session.busyMilliseconds - busyBefore) / total
  const byOperation = new Map<string, number>()
  for (const { label, work, milliseconds } of await session.profile(training.step, next)) {
    const operation = label.replace(/^.*?: /, '').replace(/ #\d+$/, '')
    const key = kernels ? `${operation}: ${work}` : operation
    byOperation.set(key, (byOperation.get(key) ?? 0) + milliseconds)
  }
  const memory = await session.memory()
  await session.close()
  const milliseconds = median(times)
  const operations = programOperations(training.programs[0])
  return {
    ...{ name: given.name, batch: given.batch, precision, milliseconds, memory, busyShare, loss },
    clipsPerSecond: (given.batch * 1000) / milliseconds,
    utilization: operations / (milliseconds / 1000) / rate,
    floorMilliseconds: (operations / rate) * 1000,
    operations: [...byOperation]
      .map(([operation, time]) => ({ operation, milliseconds: time }))
      .sort((a, b) => b.milliseconds - a.milliseconds),
  }
}

interface TwinResult {
  readonly eager: { readonly milliseconds: number; readonly peak: number }
  readonly compiled: { readonly milliseconds: number; readonly peak: number }
}

interface TwinOptions {
  readonly python: string
  readonly steps: number
  readonly algebra: string
  readonly device: 'cuda' | 'cpu'
}

/** Null where the twin fails; it has said why. */
function timeTwin(given: GpuCase, { python, steps, algebra, device }: TwinOptions): TwinResult | null {
  const { encoder, decoder, imageSize } = given.configuration
  const script = fileURLToPath(new URL('./gpu_train_step_torch.py', import.meta.url))
  const sizes = [
    ...['--width', encoder.width, '--depth', encoder.depth, '--heads', encoder.heads],
    ...['--decoder-width', decoder.width, '--decoder-depth', decoder.depth, '--decoder-heads', decoder.heads],
    ...['--size', imageSize[0], '--batch', given.batch, '--steps', steps, '--task', given.task, '--algebra', algebra],
    ...['--device', device],
  ].map(String)
  const done = spawnSync(python, [script, ...sizes], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (done.status !== 0) return null
  return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? 'null') as TwinResult
}

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    case: { type: 'string', multiple: true },
    steps: { type: 'string', default: '30' },
    batch: { type: 'string' },
    precision: { type: 'string', default: 'bfloat16' },
    algebra: { type: 'string', default: 'lean' },
    json: { type: 'string' },
    kernels: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
})
const precision: Precision = values.precision === 'float32' ? 'float32' : 'bfloat16'
const steps = Number(values.steps)
const size = values['dry-run'] ? 128 : 8192
const rate = await matrixRate(precision, size)
console.log(`matrix rate (${size}^3, ${precision}): ${(rate / 1e12).toFixed(0)} TFLOP/s`)
const report: unknown[] = []
for (const wanted of (values['dry-run'] ? dryRunCases : gpuCases).filter(
  ({ name }) => values.case === undefined || values.case.includes(name),
)) {
  const given = values.batch === undefined ? wanted : { ...wanted, batch: Number(values.batch) }
  const { kernels } = values
  const ours = await timeCase(given, { precision, steps, rate, kernels })
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)
  console.log(`\n${ours.name}, batch ${ours.batch}, ${precision}`)
  console.log(
    `  videomae       ${ours.milliseconds.toFixed(2)} ms/step  ${ours.clipsPerSecond.toFixed(1)} clips/s  ` +
      `${(100 * ours.utilization).toFixed(1)} % of the matrix rate (floor ${ours.floorMilliseconds.toFixed(2)} ms)  ` +
      `GPU busy ${(100 * ours.busyShare).toFixed(1)} %  ${gib(ours.memory.state + ours.memory.workspace)} GiB  loss ${ours.loss.toFixed(4)}`,
  )
  const { python, algebra } = values
  const device = values['dry-run'] ? 'cpu' : 'cuda'
  const twin = python === undefined ? null : timeTwin(given, { python, steps, algebra, device })
  if (python !== undefined && twin === null) {
    console.log('  torch          FAILED, see above')
    process.exitCode = exitCodes.checkFailed
  }
  if (twin !== null) {
    for (const [name, { milliseconds, peak }] of Object.entries(twin)) {
      console.log(
        `  torch ${name.padEnd(8)} ${milliseconds.toFixed(2)} ms/step  ${((given.batch * 1000) / milliseconds).toFixed(1)} clips/s  ` +
          `${gib(peak)} GiB  videomae is ${(milliseconds / ours.milliseconds).toFixed(2)} times as fast`,
      )
    }
  }
  const all = ours.operations.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
  for (const { operation, milliseconds } of ours.operations.slice(0, kernels ? 40 : 15)) {
    console.log(
      `    ${operation.padEnd(kernels ? 72 : 28)} ${milliseconds.toFixed(3).padStart(9)} ms  ${((100 * milliseconds) / all).toFixed(1)} %`,
    )
  }
  report.push({ ...ours, matrixRate: rate, twin })
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(report, null, 2))
