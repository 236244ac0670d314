import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { operationCases, relativeError } from '../support/operation-cases.ts'

/** Oracle: the reference engine in float64. */
describe('lowering of', () => {
  for (const name of Object.keys(operationCases) as OperationName[]) {
    test(`${name} agrees with the reference`, async () => {
      await fc.assert(
        fc.asyncProperty(operationCases[name], async ({ label, program, inputs, state, floor }) => {
          const reference = await referenceEngine.open([program])
          const session = await inThreadOnnxEngine.open([program], { threads: 1 })
          try {
            await reference.writeState(state)
            await session.writeState(state)
            const expected = await reference.run(program.name, inputs)
            const actual = await session.run(program.name, inputs)
            expect(Object.keys(actual)).toEqual(Object.keys(expected))
            for (const [output, values] of Object.entries(expected)) {
              expect(relativeError(actual[output], values, floor), `${output} of ${label}`).toBeLessThan(1e-4)
            }
          } finally {
            await session.close()
            await reference.close()
          }
        }),
        { seed: 20261122, numRuns: 25 },
      )
    })
  }
})
