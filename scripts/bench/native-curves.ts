/**
 * The same pretraining steps on real clips by native in bfloat16, native in float32 and onnx: loss curves on top of each
 * other, as a figure and as the largest difference.
 *
 *     npx tsx scripts/bench/native-curves.ts <folder of videos> [--steps 300] [--batch 8] [--resolution 112]
 *         [--preset tiny] [--sides onnx,native-fp32,native-bf16] [--figure curves.svg] [--json curves.json]
 *
 * Exit code 6 where a curve leaves the tolerance: float32 1e-3 and bfloat16 2e-2 of the loss, as means over 20 steps.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { exitCodes, invalidArgument } from '../../src/core/errors.ts'
import type { EngineSession } from '../../src/engine/engine.ts'
import { inThreadNativeEngine, nativeEngine } from '../../src/engine/native/index.ts'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { buildPretrainProgram } from '../../src/model/index.ts'
import { initialise } from '../../src/model/initialise.ts'
import { openRealData } from './gpu-data.ts'

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
const tolerances: Readonly<Record<string, number>> = { 'native-fp32': 1e-3, 'native-bf16': 2e-2 }

const resolution = Number(values.resolution)
const { data, run } = openRealData({ folder, preset: values.preset, resolution, batch, samplesPerClip: 1 })
const counts = { visible: run.visible, masked: run.predicted }
const training = buildPretrainProgram({ configuration: run.model, batch, ...counts, optimiser: {} })
const state = initialise(training.parameters, 1)

await nativeEngine.prepare?.()
const sessions = new Map<string, EngineSession>()
for (const side of values.sides.split(',')) {
  const engine = side.startsWith('native-') ? inThreadNativeEngine : inThreadOnnxEngine
  const precision = side.endsWith('bf16') ? 'bfloat16' : 'float32'
  const session = await engine.open(training.programs, { precision })
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
for (const [name, tolerance] of Object.entries(tolerances)) {
  const curve = curves.get(name)
  if (curve === undefined || reference.length === 0) continue
  const found = smooth(curve).reduce((most, loss, i) => Math.max(most, Math.abs(loss - reference[i]) / reference[i]), 0)
  const single = (curves.get('onnx') ?? []).reduce((most, loss, i) => Math.max(most, Math.abs(curve[i] / loss - 1)), 0)
  const passed = found < tolerance
  failed ||= !passed
  console.log(
    `${name} against onnx: ${found.toExponential(2)} of the loss over ${window} steps (at most ${tolerance}) ${passed ? 'passed' : 'FAILED'}; a single step ${single.toExponential(2)}`,
  )
}

/** The curves in one plot, the loss upwards and steps to the right. */
function figure(): string {
  const [width, height, margin] = [720, 400, 48]
  const losses = [...curves.values()].flat()
  const [low, high] = [Math.min(...losses), Math.max(...losses)]
  const x = (step: number): number => margin + (step / Math.max(1, steps - 1)) * (width - 2 * margin)
  const y = (loss: number): number => height - margin - ((loss - low) / (high - low || 1)) * (height - 2 * margin)
  const colors = ['#444444', '#1f77b4', '#d62728', '#2ca02c']
  const dashes = ['', '8 4', '2 3', '1 6']
  const lines = [...curves].map(([name, curve], i) => {
    const points = curve.map((loss, step) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ')
    const style = `fill="none" stroke="${colors[i]}" stroke-width="1.5" stroke-dasharray="${dashes[i]}"`
    const label = `<text x="${width - margin - 110}" y="${margin + 18 * i}" fill="${colors[i]}">${name}</text>`
    return `<polyline points="${points}" ${style}/>${label}`
  })
  const axes = `<path d="M${margin} ${margin}V${height - margin}H${width - margin}" fill="none" stroke="#888"/>`
  const labels = [
    `<text x="4" y="${y(high) + 4}">${high.toFixed(2)}</text><text x="4" y="${y(low) + 4}">${low.toFixed(2)}</text>`,
    `<text x="${width / 2 - 40}" y="${height - 14}">step (1 to ${steps})</text><text x="4" y="20">loss</text>`,
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${axes}${labels.join('')}${lines.join('')}</svg>\n`
}
if (values.figure !== undefined) writeFileSync(values.figure, figure())
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(Object.fromEntries(curves)))
if (failed) process.exit(exitCodes.checkFailed)
