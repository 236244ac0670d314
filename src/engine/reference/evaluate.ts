import { type OperationName, operationNamed } from '../../graph/operations/index.ts'
import type { Program, TensorId } from '../../graph/program.ts'
import type { Values } from './kernel.ts'
import { kernelNamed } from './kernels/index.ts'

/** The numbers of a program's tensors, by position in `Program.tensors`; those left out were not needed. */
export type EvaluatedTensors = ReadonlyMap<TensorId, Float64Array>

/**
 * Computes every node of a program in float64, without touching any state.
 *
 * @param inputs numbers of every input, by name
 * @param state numbers of every state tensor that the nodes read, by name
 */
export function evaluate(
  program: Program,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
  state: ReadonlyMap<string, ArrayLike<number>>,
): EvaluatedTensors {
  const values = new Map<TensorId, Float64Array>()
  for (const { tensor, data } of program.constants) values.set(tensor, Float64Array.from(data))
  for (const { name, tensor } of program.inputs) values.set(tensor, Float64Array.from(inputs[name]))
  for (const { name, tensor } of program.state) values.set(tensor, Float64Array.from(state.get(name)!))
  for (const node of program.nodes) {
    const operands = node.inputs.map((id): Values => ({ ...program.tensors[id], data: values.get(id)! }))
    const outputs = node.outputs.map((id) => program.tensors[id])
    const results = kernelNamed(node.operation as OperationName)(operands, node.attributes, outputs)
    for (const [k, id] of node.outputs.entries()) values.set(id, results[k])
  }
  return values
}

/** Names of operations in the program that do not exist. */
export function unknownOperations(program: Program): string[] {
  return [...new Set(program.nodes.map((node) => node.operation).filter((name) => operationNamed(name) === undefined))]
}
