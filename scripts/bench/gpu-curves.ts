/**
 * The same training steps on real clips by two engines: the loss curves of ONNX and CUDA on top of each other.
 *
 *     npx tsx scripts/bench/gpu-curves.ts <folder of videos> [--steps 200] [--batch 8] [--resolution 112] [--json out.json]
 *
 * Exit code 6 where a curve leaves the tolerance: float32 1e-3 and bfloat16 2e-2 of the loss, as means over 20 steps.
 * Not yet run on hardware.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { exitCodes, invalidArgument } from '../../src/core/errors.ts'
import { openCudaSession } from '../../src/engine/cuda/index.ts'
import type { EngineSession } from '../../src/engine/engine.ts'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { buildPretrainProgram } from '../../src/model/index.ts'
import { initialise } from '../../src/model/initialise.ts'
import { openRealData } from './gpu-data.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '200' },
    batch: { type: 'string', default: '8' },
    preset: { type: 'string', default: 'tiny' },
    resolution: { type: 'string', default: '112' },
    json: { type: 'string' },
  },
})
const [folder] = positionals
if (folder === undefined) throw invalidArgument('folder', 'a folder of videos', folder)
const steps = Number(values.steps)
const batch = Number(values.batch)

const { data, run } = openRealData({
  folder,
  preset: values.preset,
  resolution: Number(values.resolution),
  batch,
  samplesPerClip: 1,
})
const counts = { visible: run.visible, masked: run.predicted }
const training = buildPretrainProgram({ configuration: run.model, batch, ...counts, optimiser: {} })
const state = initialise(training.parameters, 1)
const sessions: readonly (readonly [string, EngineSession])[] = [
  ['onnx float32', await inThreadOnnxEngine.open(training.programs)],
  ['cuda float32', openCudaSession(training.programs, { precision: 'float32' })],
  ['cuda bfloat16', openCudaSession(training.programs, { precision: 'bfloat16' })],
]
for (const [, session] of sessions) await session.writeState(state)

const curves = new Map(sessions.map(([name]) => [name, [] as number[]]))
for (let step = 1; step <= steps; step++) {
  const { inputs } = await data.next()
  // The warm-up and the constant rate of a short run.
  const learningRate = Float32Array.of(6e-4 * Math.min(1, step / 20))
  const scalars = { learningRate, weightDecay: Float32Array.of(0.05), step: Float32Array.of(step) }
  for (const [name, session] of sessions) {
    const { loss } = await session.run(training.step, { ...inputs, ...scalars })
    curves.get(name)?.push(loss[0])
  }
  if (step % 20 === 0 || step === 1) {
    const losses = [...curves].map(([name, losses]) => `${name} ${losses.at(-1)?.toFixed(5)}`)
    console.log(`step ${String(step).padStart(4)}  ${losses.join('  ')}`)
  }
}
for (const [, session] of sessions) await session.close()
await data.loader.close()

const window = Math.min(20, steps)
/** Largest relative difference of the curves, each averaged over windows of steps. */
function distance(a: readonly number[], b: readonly number[]): number {
  let largest = 0
  for (let i = 0; i + window <= a.length; i++) {
    const mean = (curve: readonly number[]) => curve.slice(i, i + window).reduce((sum, loss) => sum + loss, 0) / window
    largest = Math.max(largest, Math.abs(mean(a) - mean(b)) / mean(b))
  }
  return largest
}
const reference = curves.get('onnx float32') ?? []
let failed = false
for (const [name, tolerance] of [
  ['cuda float32', 1e-3],
  ['cuda bfloat16', 2e-2],
] as const) {
  const found = distance(curves.get(name) ?? [], reference)
  const passed = found < tolerance
  failed ||= !passed
  console.log(
    `${name} against onnx: ${found.toExponential(2)} of the loss (at most ${tolerance}) ${passed ? 'passed' : 'FAILED'}`,
  )
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(Object.fromEntries(curves)))
if (failed) process.exit(exitCodes.checkFailed)
