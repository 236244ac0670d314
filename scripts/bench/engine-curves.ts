/**
 * The same pretraining steps on real clips by several engines: loss curves on top of each other, as a figure and as the
 * largest difference from onnx.
 *
 *     npx tsx scripts/bench/engine-curves.ts <folder of videos> [--steps 300] [--batch 8] [--resolution 112]
 *         [--preset tiny] [--sides onnx,native-fp32,native-bf16] [--figure curves.svg] [--json curves.json]
 *
 * Sides: onnx, native-fp32, native-bf16, cuda-fp32, cuda-bf16. Exit code 6 where a curve leaves the tolerance: float32 1e-3
 * and bfloat16 2e-2 of the loss, as means over 20 steps. Those of cuda have not run on hardware yet.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { invalidArgument } from '../../src/core/errors.ts'
import { inThreadCudaEngine } from '../../src/engine/cuda/index.ts'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { inThreadNativeEngine } from '../../src/engine/native/index.ts'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { exitCodes } from '../../src/index.ts'
import { buildPretrainProgram, initialize } from '../../src/model.ts'
import { writeFigure } from '../support/figures.ts'
import { openRealData } from './support/gpu-data.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '300' },
    batch: { type: 'string', default: '8' },
    preset: { type: 'string', default: 'tiny' },
    resolution: { type: 'string', default: '112' },
    sides: { type: 'string', default: 'onnx,native-fp32,native-bf16' },
    figure: { type: 'string' },
    json: { type: 'string' },
  },
})
const [folder] = positionals
if (folder === undefined) throw invalidArgument('folder', 'a folder of videos', folder)
const steps = Number(values.steps)
const batch = Number(values.batch)
const tolerances: Readonly<Record<string, number>> = { fp32: 1e-3, bf16: 2e-2 }
const engines: Readonly<Record<string, Engine>> = {
  onnx: inThreadOnnxEngine,
  native: inThreadNativeEngine,
  cuda: inThreadCudaEngine,
}

const resolution = Number(values.resolution)
const { data, run } = openRealData({ folder, preset: values.preset, resolution, batch, samplesPerClip: 1 })
const counts = { visible: run.visible, masked: run.predicted }
const training = buildPretrainProgram({ configuration: run.model, batch, ...counts, optimizer: {} })
const state = initialize(training.parameters, 1)

const sessions = new Map<string, EngineSession>()
for (const side of values.sides.split(',')) {
  const [name, precision = 'fp32'] = side.split('-')
  if (engines[name] === undefined || tolerances[precision] === undefined)
    throw invalidArgument('sides', 'onnx, native-fp32, native-bf16, cuda-fp32 or cuda-bf16', side)
  const session = await engines[name].open(training.programs, {
    precision: precision === 'bf16' ? 'bfloat16' : 'float32',
  })
  await session.writeState(state)
  sessions.set(side, session)
}

const curves = new Map([...sessions.keys()].map((name) => [name, [] as number[]]))
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
for (const session of sessions.values()) await session.close()
await data.loader.close()

const window = Math.min(20, steps)
/** Means over windows of steps, one from every step on. */
function smooth(curve: readonly number[]): number[] {
  const sums = curve.slice(0, curve.length - window + 1)
  return sums.map((_, i) => curve.slice(i, i + window).reduce((sum, loss) => sum + loss, 0) / window)
}

let failed = false
const reference = smooth(curves.get('onnx') ?? [])
for (const [name, curve] of curves) {
  const tolerance = tolerances[name.split('-')[1]]
  if (tolerance === undefined || reference.length === 0) continue
  const found = smooth(curve).reduce((most, loss, i) => Math.max(most, Math.abs(loss - reference[i]) / reference[i]), 0)
  const single = (curves.get('onnx') ?? []).reduce((most, loss, i) => Math.max(most, Math.abs(curve[i] / loss - 1)), 0)
  const passed = found < tolerance
  failed ||= !passed
  console.log(
    `${name} against onnx: ${found.toExponential(2)} of the loss over ${window} steps (at most ${tolerance}) ${passed ? 'passed' : 'FAILED'}; a single step ${single.toExponential(2)}`,
  )
}

if (values.figure !== undefined) {
  const points = (curve: readonly number[]) => curve.map((loss, i) => [i + 1, loss] as const)
  const strokes = ['solid', 'dashed', 'dotted', 'mixed'] as const
  writeFigure(values.figure, {
    title: 'Loss of the same steps',
    xLabel: 'step',
    yLabel: 'loss',
    curves: [...curves].map(([name, curve], i) => ({
      name,
      points: points(curve),
      stroke: strokes[i % strokes.length],
    })),
  })
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(Object.fromEntries(curves)))
if (failed) process.exit(exitCodes.checkFailed)
