/**
 * Where a step on the native engine goes: time by operation, share of the measured product peak, memory.
 *
 *     npx tsx scripts/bench/native-profile.ts [--case a,b,c,finetune,features] [--precision bfloat16] [--threads 2]
 *         [--runs 7] [--recompute none] [--peak GF/s] [--steps]
 *
 * Every number is the median over runs, step by step. `--peak`: what scripts/bench/native/bench-kernels.c measures for this
 * precision and number of threads; the share of it is over the whole step. `--steps` lists the slowest steps one by one.
 */
import { parseArgs } from 'node:util'
import type { RunInputs } from '../../src/engine/engine.ts'
import type { StepTime } from '../../src/engine/native/bound-program.ts'
import { openNativeSession } from '../../src/engine/native/index.ts'
import type { RecomputeMode } from '../../src/graph/recompute.ts'
import { initialize } from '../../src/model.ts'
import { productFlops } from './support/product-flops.ts'
import { stepInputs } from './support/step-inputs.ts'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'a,b,c' },
    precision: { type: 'string', default: 'bfloat16' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '7' },
    recompute: { type: 'string', default: 'none' },
    peak: { type: 'string' },
    steps: { type: 'boolean', default: false },
  },
})

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

for (const name of options.case.split(',')) {
  const { programs, inputs, shapes } = stepInputs(name)
  const [program] = programs
  const session = await openNativeSession(programs, {
    threads: Number(options.threads),
    precision: options.precision === 'float32' ? 'float32' : 'bfloat16',
    recompute: options.recompute as RecomputeMode,
  })
  for (const [parameter, shape] of shapes) {
    await session.writeState(initialize(new Map([[parameter, shape]]), 1))
  }
  const runs: StepTime[][] = []
  const walls: number[] = []
  for (let i = 0; i < Number(options.runs) + 2; i++) {
    const start = performance.now()
    const all: RunInputs = { ...inputs, step: Float32Array.of(i + 1) }
    const given = Object.fromEntries(program.inputs.map(({ name }) => [name, all[name]]))
    const times = await session.profile(program.name, given)
    if (i < 2) continue
    walls.push(performance.now() - start)
    runs.push(times)
  }
  const steps = runs[0].map((step, k) => ({
    ...step,
    milliseconds: median(runs.map((times) => times[k].milliseconds)),
  }))
  const { state, workspace } = await session.memory()
  await session.close()
  const sum = steps.reduce((total, { milliseconds }) => total + milliseconds, 0)
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  console.log(
    `(${name}) ${options.precision}: ${median(walls).toFixed(1)} ms a step, ${sum.toFixed(1)} in kernels; state ${mib(state)}, workspace ${mib(workspace)}`,
  )
  const flops = productFlops(program)
  const rate = flops / median(walls) / 1e6
  const shareOfPeak =
    options.peak === undefined ? '' : `, ${((100 * rate) / Number(options.peak)).toFixed(0)} % of the peak`
  console.log(`  products of ${(flops / 1e9).toFixed(0)} GF: ${rate.toFixed(0)} GF/s over the step${shareOfPeak}`)
  const groups = new Map<string, { milliseconds: number; count: number }>()
  for (const { label, kernel, milliseconds } of steps) {
    const key = `${label.replace(/^[^:]*: /, '').replace(/ #\d+$/, '')} (${kernel})`
    const group = groups.get(key) ?? { milliseconds: 0, count: 0 }
    groups.set(key, { milliseconds: group.milliseconds + milliseconds, count: group.count + 1 })
  }
  for (const [key, { milliseconds, count }] of [...groups].sort(([, a], [, b]) => b.milliseconds - a.milliseconds)) {
    const share = ((100 * milliseconds) / sum).toFixed(1)
    console.log(
      `  ${milliseconds.toFixed(2).padStart(8)} ms ${share.padStart(5)} %  ${String(count).padStart(4)} x ${key}`,
    )
  }
  if (!options.steps) continue
  for (const { label, kernel, milliseconds } of [...steps]
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .slice(0, 40)) {
    console.log(`  ${milliseconds.toFixed(2).padStart(8)} ms  ${label} (${kernel})`)
  }
}
