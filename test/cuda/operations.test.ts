/**
 * Every operation on the emulated device against the float64 reference, on random shapes: float32 to 1e-4 and bfloat16
 * to 2e-2 by norm. Oracle: src/engine/reference. Runs on any machine with g++.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type OperationName, operations } from '../../src/graph/operations/index.ts'
import { compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { setThreadOrder, testDeviceMissing, testDeviceName } from '../support/cuda-test-device.ts'
import { type OperationCase, operationCases, relativeError } from '../support/operation-cases.ts'
import { roundLeaves, runOnDevice, runReference } from '../support/run-operation-case.ts'

vi.setConfig(compilationTimeouts)
const missing = testDeviceMissing()
const names = Object.keys(operations) as OperationName[]

async function check(made: OperationCase, precision: 'float32' | 'bfloat16', tolerance: number): Promise<void> {
  const fair = precision === 'float32' ? made : roundLeaves(made)
  const expected = await runReference(fair)
  const actual = await runOnDevice(fair, { precision, leavesAsActivations: precision === 'bfloat16' })
  expect(Object.keys(actual).sort(), made.label).toEqual(Object.keys(expected).sort())
  for (const [name, values] of Object.entries(expected)) {
    const error = relativeError(actual[name], values, made.floor)
    expect(error, `${name} of ${made.label}`).toBeLessThan(tolerance)
  }
}

const runs = Number(process.env.VIDEOMAE_CUDA_TEST_RUNS ?? 8)
/** The other order only has to show races. */
const numRuns = (order: 'ascending' | 'descending'): number => (order === 'ascending' ? runs : Math.ceil(runs / 2))

describe.skipIf(missing !== null)(`operations on ${testDeviceName}${missing === null ? '' : ` (${missing})`}`, () => {
  describe.each(['ascending', 'descending'] as const)('threads start in %s order', (order) => {
    beforeAll(() => setThreadOrder(order))
    afterAll(() => setThreadOrder('ascending'))

    test.each(names)('%s in float32', async (name) => {
      const property = fc.asyncProperty(operationCases[name], (made) => check(made, 'float32', 1e-4))
      await fc.assert(property, { seed: 20261122 + order.length, numRuns: numRuns(order) })
    })

    test.each(names)('%s in bfloat16', async (name) => {
      const property = fc.asyncProperty(operationCases[name], (made) => check(made, 'bfloat16', 2e-2))
      await fc.assert(property, { seed: 20261123 + order.length, numRuns: numRuns(order) })
    })
  })
})
