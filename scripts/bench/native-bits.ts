/**
 * What it costs the native engine that results have the same bits for any number of threads. Sums over rows (gradients of layer norm,
 * losses, sums of bias gradients and tokens) are cut into 16 parts; without the rule, one part a thread would do. Both ways run in
 * turns, step by step.
 *
 *     npx tsx scripts/bench/native-bits.ts [--case a,b,c] [--precision bfloat16] [--threads 2] [--rounds 9]
 *
 * Prints ratios of the two (medians over rounds; above 1: the rule costs time), the bytes of all partial sums, and the share of a step
 * that adding them up takes. Weight gradients need no partial sums either way: threads take rows or columns of the result. What a cut of
 * the rows would give instead is measured by native/bench-kernels.c ("dw by rows").
 */
import { parseArgs } from 'node:util'
import type { RunInputs } from '../../src/engine/engine.ts'
import type { StepTime } from '../../src/engine/native/bound-program.ts'
import { obtainLibrary } from '../../src/engine/native/build/library-file.ts'
import { NativeLibrary } from '../../src/engine/native/library.ts'
import { NativeSession } from '../../src/engine/native/session.ts'
import { elementCount, type Program } from '../../src/graph.ts'
import { initialize } from '../../src/model.ts'
import { stepInputs } from './support/step-inputs.ts'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'a,b,c' },
    precision: { type: 'string', default: 'bfloat16' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '9' },
  },
})
const threads = Number(options.threads)
const precision = options.precision === 'float32' ? 'float32' : 'bfloat16'
const library = new NativeLibrary((await obtainLibrary((line) => console.error(line))).path)

/** Kernels that add partial sums up. */
const adding = /^(layer_norm_parameters|squared_error_loss|sum_chunks|prepare_adamw)/
/** Kernels that leave partial sums. */
const leaving = /^(layer_norm_gradient|squared_error_(f32|bf16)|sum_rows|gradient_squares)/

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
const timeOf = (steps: readonly StepTime[], kernels: RegExp): number =>
  sum(steps.filter(({ kernel }) => kernels.test(kernel)).map(({ milliseconds }) => milliseconds))

/** Partial sums of layer norm gradients, sums of rows and gradient squares of a program; losses have 16 pairs. */
function partialBytes({ nodes, tensors, updates }: Program): number {
  const counts = nodes.map(({ operation, inputs, outputs }) => {
    if (operation === 'layerNormGradient') return 16 * 2 * elementCount(tensors[inputs[2]].shape)
    if (operation === 'sumLeading' || operation === 'meanTokens') return 16 * elementCount(tensors[outputs[0]].shape)
    return operation === 'meanSquaredError' ? 16 * 4 : 0
  })
  const chunks = updates.map((update) => (update.kind === 'adamw' ? update.entries.length : 0))
  return sum(counts) * 4 + sum(chunks) * 8
}

interface Way {
  readonly session: NativeSession
  readonly cpu: number[]
  readonly wall: number[]
  readonly steps: StepTime[][]
}

async function step({ session, cpu, wall, steps }: Way, name: string, inputs: RunInputs, keep: boolean): Promise<void> {
  const [start, before] = [performance.now(), process.cpuUsage()]
  const times = await session.profile(name, inputs)
  const used = process.cpuUsage(before)
  if (!keep) return
  wall.push(performance.now() - start)
  cpu.push((used.user + used.system) / 1000)
  steps.push(times)
}

for (const name of options.case.split(',')) {
  const { programs, inputs, shapes } = stepInputs(name)
  const [program] = programs
  const state = initialize(shapes, 1)
  const open = async (rowParts: number | undefined): Promise<Way> => {
    const session = new NativeSession(library, programs, { threads, precision, rowParts })
    await session.writeState(state)
    return { session, cpu: [], wall: [], steps: [] }
  }
  const ways = [await open(undefined), await open(threads)]
  const rounds = Number(options.rounds)
  for (let round = 0; round < rounds + 2; round++) {
    const all: RunInputs = { ...inputs, step: Float32Array.of(round + 1) }
    const given = Object.fromEntries(program.inputs.map((input) => [input.name, all[input.name]]))
    // The one that goes first alternates.
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) await step(way, program.name, given, round >= 2)
  }
  const [same, free] = ways
  for (const { session } of ways) await session.close()
  const ratio = (of: (way: Way) => readonly number[]): string =>
    median(of(same).map((time, i) => time / of(free)[i])).toFixed(3)
  const share = (kernels: RegExp): string =>
    `${(100 * median(same.steps.map((steps) => timeOf(steps, kernels) / timeOf(steps, /./)))).toFixed(2)} %`
  const kernels = (pattern: RegExp): string => ratio((way) => way.steps.map((steps) => timeOf(steps, pattern)))
  console.log(`(${name}) ${precision}, ${threads} threads, the same bits / one part a thread:`)
  console.log(`  step: processor time ${ratio((way) => way.cpu)}, wall ${ratio((way) => way.wall)}`)
  console.log(`  kernels that leave partial sums: ${kernels(leaving)}, ${share(leaving)} of the step`)
  console.log(`  kernels that add them up: ${kernels(adding)}, ${share(adding)} of the step`)
  console.log(`  partial sums of a step: ${(partialBytes(program) / 1024).toFixed(0)} KiB`)
}
