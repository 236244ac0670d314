import { type OperationName, operationNamed } from '../../graph/operations/index.ts'
import type { DataType, Program, TensorId } from '../../graph/program.ts'
import type { InputValue, RunInputs } from '../engine.ts'
import { tfjsRuleNamed } from './lowering/operations.ts'
import type { Tensor, Tfjs } from './runtime.ts'

/** TensorFlow.js has no bytes: they are int32 until a rule divides them by 255. */
const dtypes = { float32: 'float32', int32: 'int32', uint8: 'int32' } as const satisfies Record<DataType, string>

/** A tensor of values, on the backend. The values are copied: some backends keep the array that they are given. */
export function upload(tf: Tfjs, data: InputValue, shape: readonly number[], dtype: DataType = 'float32'): Tensor {
  const copy = dtype === 'uint8' ? Int32Array.from(data) : data.slice()
  return tf.tensor(copy, [...shape], dtypes[dtype])
}

/** Names of operations that have no rule here. */
export function unknownOperations(program: Program): string[] {
  return [
    ...new Set(program.nodes.map(({ operation }) => operation).filter((name) => operationNamed(name) === undefined)),
  ]
}

/** Where a run finds the tensors that it does not compute. */
export interface Leaves {
  readonly inputs: RunInputs
  readonly constants: ReadonlyMap<TensorId, Tensor>
  /** By the name of the state. */
  readonly states: ReadonlyMap<string, Tensor>
}

/** The tensors that are read after the nodes: outputs of the program and gradients that updates read. */
export function tensorsRead(program: Program): ReadonlySet<TensorId> {
  const read = new Set(program.outputs.map(({ tensor }) => tensor))
  for (const update of program.updates) {
    if (update.kind === 'accumulate') for (const { gradient } of update.entries) read.add(gradient)
    if (update.kind === 'reduce') for (const source of update.gradients) if ('tensor' in source) read.add(source.tensor)
    if (update.kind !== 'adamw') continue
    for (const { gradient } of update.entries) if ('tensor' in gradient) read.add(gradient.tensor)
  }
  return read
}

/**
 * Computes the nodes of a program in order. A tensor is disposed after the last node that reads it.
 *
 * @returns the tensors of `tensorsRead`. They belong to the caller, but for constants and states among them.
 */
export function evaluate(tf: Tfjs, program: Program, leaves: Leaves): Map<TensorId, Tensor> {
  const read = tensorsRead(program)
  const lastUse = new Map<TensorId, number>()
  for (const [at, { inputs }] of program.nodes.entries()) for (const input of inputs) lastUse.set(input, at)
  const values = new Map<TensorId, Tensor>(leaves.constants)
  for (const { name, tensor } of program.state) values.set(tensor, leaves.states.get(name)!)
  const borrowed = new Set(values.keys())
  tf.tidy(() => {
    for (const { name, tensor } of program.inputs) {
      const { shape, dtype } = program.tensors[tensor]
      values.set(tensor, upload(tf, leaves.inputs[name], shape, dtype))
    }
    for (const [at, node] of program.nodes.entries()) {
      const operands = node.inputs.map((id) => values.get(id)!)
      const specs = {
        inputs: node.inputs.map((id) => program.tensors[id]),
        outputs: node.outputs.map((id) => program.tensors[id]),
      }
      const results = tf.tidy(() => [
        ...tfjsRuleNamed(node.operation as OperationName)(tf, operands, node.attributes, specs),
      ])
      for (const [k, id] of node.outputs.entries()) values.set(id, results[k])
      for (const id of new Set([...node.inputs, ...node.outputs])) {
        if ((lastUse.get(id) ?? at) > at || read.has(id) || borrowed.has(id)) continue
        values.get(id)!.dispose()
        values.delete(id)
      }
    }
    return [...read].map((id) => values.get(id)!)
  })
  return new Map([...read].map((id) => [id, values.get(id)!]))
}
