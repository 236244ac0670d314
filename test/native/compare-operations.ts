/**
 * Every operation of the native engine, and five training steps of a small masked autoencoder, against the float64 reference, without a
 * test runner: on an emulated processor none is installed.
 */
import fc from 'fast-check'
import type { EngineSession } from '../../src/engine/engine.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import type { Program } from '../../src/graph/program.ts'
import { type OperationCase, operationCases, relativeError } from '../support/operation-cases.ts'
import { roundLeaves, runReference } from '../support/run-operation-case.ts'
import { smallTransformer, startingWeights, stepData } from '../support/small-transformer.ts'

const bounds = { float32: 1e-4, bfloat16: 2e-2 } as const
type Precision = keyof typeof bounds

type Open = (
  programs: readonly Program[],
  options: { readonly precision: Precision; readonly threads: number },
) => Promise<EngineSession>

/** What was compared, and a line for each difference. */
export class Comparison {
  private readonly open: Open
  comparisons = 0
  readonly differences: string[] = []

  /** @param open opens programs on the engine */
  constructor(open: Open) {
    this.open = open
  }

  async operations(): Promise<void> {
    for (const name of Object.keys(operationCases) as OperationName[]) {
      for (const precision of ['float32', 'bfloat16'] as const) {
        const seed = precision === 'float32' ? 20261128 : 20261129
        for (const made of fc.sample(operationCases[name], { seed, numRuns: 8 })) await this.operation(made, precision)
      }
    }
  }

  /** Losses of five steps in float32, then the weights and what the optimizer keeps. */
  async training(): Promise<void> {
    const { programs, parameters } = smallTransformer()
    const expected = await train(await referenceEngine.open(programs), programs, parameters)
    const actual = await train(await this.open(programs, { precision: 'float32', threads: 2 }), programs, parameters)
    this.compare('losses of five steps', actual.losses, expected.losses, 1e-5)
    for (const [name, values] of expected.state) this.compare(name, actual.state.get(name)!, values, 1e-4, 1e-12)
  }

  private async operation(made: OperationCase, precision: Precision): Promise<void> {
    const fair = precision === 'float32' ? made : roundLeaves(made)
    const expected = await runReference(fair)
    const session = await this.open([fair.program], { precision, threads: 2 })
    await session.writeState(fair.state)
    const actual = await session.run(fair.program.name, fair.inputs)
    await session.close()
    for (const [name, values] of Object.entries(expected))
      this.compare(`${precision}, ${name} of ${made.label}`, actual[name], values, bounds[precision], made.floor)
  }

  private compare(
    what: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    bound: number,
    floor?: number,
  ): void {
    this.comparisons++
    const error = relativeError(actual, expected, floor)
    if (!(error < bound)) this.differences.push(`${what}: relative error ${error}, expected less than ${bound}`)
  }
}

type Small = ReturnType<typeof smallTransformer>

async function train(session: EngineSession, programs: Small['programs'], parameters: Small['parameters']) {
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
