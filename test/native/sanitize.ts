/**
 * Runs operations with kernels compiled for the address sanitizer and every value in memory of its own; a bad access
 * ends the process. sanitizer.test.ts starts this with the sanitizer's library loaded. Arguments: names of operations, or
 * `planted` for a product that is told its result is larger than it is.
 */
import fc from 'fast-check'
import { openNativeSession } from '../../src/engine/native/index.ts'
import { Graph } from '../../src/graph/graph.ts'
import { add } from '../../src/graph/operations/elementwise.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { operationCases } from '../support/operation-cases.ts'
import { roundLeaves } from '../support/run-operation-case.ts'

const wanted = process.argv.slice(2)
let runs = 0
if (wanted.includes('planted')) {
  const graph = new Graph('planted')
  const program = graph.build({ y: add(graph.input('a', [64]), graph.input('b', [64])) })
  // The second operand is only half as long as the program says.
  const b = program.inputs[1].tensor
  const tensors = program.tensors.map((spec, i) => (i === b ? { ...spec, shape: [32] } : spec))
  const nodes = program.nodes.map((node) => ({ ...node, operation: 'gelu', inputs: [b] }))
  const session = await openNativeSession([{ ...program, tensors, nodes, inputs: [program.inputs[1]] }], { threads: 1 })
  await session.run('planted', { b: new Float32Array(32) })
}
for (const name of wanted.filter((name) => Object.hasOwn(operationCases, name)) as OperationName[]) {
  for (const made of fc.sample(operationCases[name], { seed: 20261130, numRuns: 4 })) {
    for (const precision of ['float32', 'bfloat16'] as const) {
      const { program, state, inputs } = roundLeaves(made)
      const session = await openNativeSession([program], { precision, threads: 2 })
      await session.writeState(state)
      await session.run(program.name, inputs)
      await session.close()
      runs++
    }
  }
}
console.log(`${runs} runs without a bad access`)
