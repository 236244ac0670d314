/**
 * Compares every operation of the native engine with the float64 reference, and five training steps of a small masked autoencoder,
 * without a test runner: `scripts/check-arm64.ts` starts this on an emulated processor, where no test runner is installed.
 * Prints one line for each difference, and last `N comparisons, N differences`.
 */
import fc from 'fast-check'
import type { EngineSession } from '../../src/engine/engine.ts'
import { openNativeSession } from '../../src/engine/native/index.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { roundLeaves, runReference } from '../cuda/run-program.ts'
import { type OperationCase, operationCases, relativeError } from '../engines/operation-cases.ts'
import { smallTransformer, startingWeights, stepData } from '../engines/small-transformer.ts'

const bounds = { float32: 1e-4, bfloat16: 2e-2 } as const
type Precision = keyof typeof bounds

let comparisons = 0
let differences = 0
function compare(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number, floor?: number) {
  comparisons++
  const error = relativeError(actual, expected, floor)
  if (error < bound) return
  differences++
  console.log(`${what}: relative error ${error}, expected less than ${bound}`)
}

async function checkOperation(made: OperationCase, precision: Precision): Promise<void> {
  const fair = precision === 'float32' ? made : roundLeaves(made)
  const expected = await runReference(fair)
  const session = await openNativeSession([fair.program], { precision, threads: 2 })
  await session.writeState(fair.state)
  const actual = await session.run(fair.program.name, fair.inputs)
  await session.close()
  for (const [name, values] of Object.entries(expected)) {
    compare(`${precision}, ${name} of ${made.label}`, actual[name], values, bounds[precision], made.floor)
  }
}

/** Losses of five steps, then the weights and what the optimizer keeps. */
async function train(session: EngineSession): Promise<{ losses: number[]; state: ReadonlyMap<string, Float32Array> }> {
  await session.writeState(startingWeights(programs[0], parameters))
  const losses: number[] = []
  for (let step = 1; step <= 5; step++) {
    const values = { learningRate: 3e-3 / step, weightDecay: 0.05, step, decay: 0.9 }
    const scalars = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Float32Array.of(value)]))
    losses.push((await session.run('train', { ...stepData(step), ...scalars })).loss[0])
  }
  const state = await session.readState()
  await session.close()
  return { losses, state }
}

for (const name of Object.keys(operationCases) as OperationName[]) {
  for (const precision of ['float32', 'bfloat16'] as const) {
    const seed = precision === 'float32' ? 20261128 : 20261129
    for (const made of fc.sample(operationCases[name], { seed, numRuns: 8 })) await checkOperation(made, precision)
  }
}
const { programs, parameters } = smallTransformer()
const expected = await train(await referenceEngine.open(programs))
const actual = await train(await openNativeSession(programs, { precision: 'float32', threads: 2 }))
compare('losses of five steps', actual.losses, expected.losses, 1e-5)
for (const [name, values] of expected.state) compare(name, actual.state.get(name)!, values, 1e-4, 1e-12)
console.log(`${comparisons} comparisons, ${differences} differences`)
