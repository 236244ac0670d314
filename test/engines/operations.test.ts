/**
 * Oracle: the reference engine in float64. Every operation of every engine on random shapes and values, through the
 * session: inputs and states in, outputs out, relative error by norm below 1e-4 (float32 arithmetic). The first example of an
 * operation goes through the thread of the public engine, the others run in the calling thread. WebGPU compiles shaders for most
 * new shapes, which takes a second on a software adapter, so it gets fewer.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from '../../src/engine/reference/evaluate.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { describeEngines, engineInThread, withSession } from '../support/engines.ts'
import { type OperationCase, operationCases, relativeError } from '../support/operation-cases.ts'

const names = Object.keys(operationCases) as OperationName[]

function referenceOutputs({ program, inputs, state }: OperationCase): Map<string, Float64Array> {
  const values = evaluate(program, inputs, state)
  return new Map(program.outputs.map(({ name, tensor }) => [name, values.get(tensor)!]))
}

describeEngines('operations', (engine, engineName) => {
  test.each(names)('%s', async (name) => {
    let opened = await engine()
    await fc.assert(
      fc.asyncProperty(operationCases[name], async (example) => {
        const expected = referenceOutputs(example)
        const outputs = await withSession(opened, [example.program], async (session) => {
          await session.writeState(example.state)
          return session.run(example.program.name, example.inputs)
        })
        opened = engineInThread(engineName)
        expect(Object.keys(outputs).sort()).toEqual([...expected.keys()].sort())
        for (const [output, values] of expected) {
          const error = relativeError(outputs[output], values, example.floor)
          expect(error, `${example.label}: output ${output}`).toBeLessThan(1e-4)
        }
      }),
      { seed: 20261122, numRuns: engineName === 'webgpu' ? 2 : 10 },
    )
  })
})
