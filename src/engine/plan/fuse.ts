import type { Program, ProgramNode, TensorId } from '../../graph/program.ts'

/** Operations that only `fuseNodes` makes. */
export type FusedName = 'linearAdd' | 'linearGelu' | 'linearInputGradientGelu' | 'layerNormGradientAdd'

/**
 * Joins nodes that one kernel or one matrix product does at once. What comes out are nodes again, some of operations
 * that only engines know:
 *
 * - `linearAdd`: linear and the addition of a residual of the same shape; inputs x, w, (b), residual.
 * - `linearGelu`: linear and gelu; outputs the sum before gelu, and after.
 * - `linearInputGradientGelu`: linearInputGradient and geluGradient; inputs dy, w, and gelu's input.
 * - `layerNormGradientAdd`: layerNormGradient and the addition of another gradient to dx; one more input.
 *
 * A pair is joined only where nothing else reads what is between, and where moving the earlier node down to the later
 * one (or the later up) changes no order that matters.
 */
export function fuseNodes(program: Program, fuseGelu: boolean): readonly ProgramNode[] {
  const nodes: (ProgramNode | null)[] = [...program.nodes]
  const producer = new Map<TensorId, number>()
  for (const [i, node] of program.nodes.entries()) for (const output of node.outputs) producer.set(output, i)
  const readers = countReaders(program)
  const firstReader = new Map<TensorId, number>()
  for (const [i, node] of program.nodes.entries()) {
    for (const input of node.inputs) if (!firstReader.has(input)) firstReader.set(input, i)
  }
  const sameSize = (a: TensorId, b: TensorId): boolean =>
    program.tensors[a].shape.join() === program.tensors[b].shape.join()

  /** The node that makes a tensor, if it is of this operation, still whole, and only `user` reads the tensor. */
  const sole = (tensor: TensorId, operation: string): number | null => {
    const at = producer.get(tensor)
    if (at === undefined || nodes[at]?.operation !== operation || readers.get(tensor) !== 1) return null
    return at
  }

  for (const [i, node] of program.nodes.entries()) {
    if (node.operation === 'add' && sameSize(node.inputs[0], node.inputs[1])) {
      joinAdd(i, node)
    } else if (fuseGelu && node.operation === 'gelu') {
      const [x] = node.inputs
      const at = producer.get(x)
      const linear = at === undefined ? null : nodes[at]
      if (at === undefined || linear?.operation !== 'linear') continue
      nodes[at] = { ...linear, operation: 'linearGelu', outputs: [x, node.outputs[0]] }
      nodes[i] = null
    } else if (fuseGelu && node.operation === 'geluGradient') {
      const at = sole(node.inputs[0], 'linearInputGradient')
      if (at === null) continue
      const inputs = [...program.nodes[at].inputs, node.inputs[1]]
      nodes[i] = { operation: 'linearInputGradientGelu', inputs, outputs: node.outputs, attributes: {} }
      nodes[at] = null
    }
  }
  return nodes.filter((node) => node !== null)

  function joinAdd(i: number, node: ProgramNode): void {
    for (const [own, other] of [
      [node.inputs[0], node.inputs[1]],
      [node.inputs[1], node.inputs[0]],
    ]) {
      const linear = sole(own, 'linear')
      if (linear !== null) {
        const inputs = [...program.nodes[linear].inputs, other]
        nodes[i] = { operation: 'linearAdd', inputs, outputs: node.outputs, attributes: {} }
        nodes[linear] = null
        return
      }
      const norm = sole(own, 'layerNormGradient')
      if (norm === null || program.nodes[norm].outputs[0] !== own) continue
      const { inputs, outputs } = program.nodes[norm]
      // dgamma and dbeta move down to this node too: nobody may have read them before.
      if (outputs.slice(1).some((output) => (firstReader.get(output) ?? Number.POSITIVE_INFINITY) <= i)) continue
      nodes[i] = {
        operation: 'layerNormGradientAdd',
        inputs: [...inputs, other],
        outputs: [node.outputs[0], ...outputs.slice(1)],
        attributes: {},
      }
      nodes[norm] = null
      return
    }
  }
}

/** How often each tensor is read: by nodes, as an output, or by an update. */
function countReaders(program: Program): Map<TensorId, number> {
  const readers = new Map<TensorId, number>()
  const read = (tensor: TensorId): void => {
    readers.set(tensor, (readers.get(tensor) ?? 0) + 1)
  }
  for (const node of program.nodes) node.inputs.forEach(read)
  for (const { tensor } of program.outputs) read(tensor)
  for (const update of program.updates) {
    if (update.kind === 'adamw') {
      for (const { gradient } of update.entries) if ('tensor' in gradient) read(gradient.tensor)
      for (const tensor of [update.learningRate, update.weightDecay, update.step]) read(tensor)
    } else if (update.kind === 'accumulate') {
      for (const { gradient } of update.entries) read(gradient)
      read(update.weight)
    } else if (update.kind === 'ema') {
      read(update.decay)
    }
  }
  return readers
}
