import type { Program } from '../../../src/graph.ts'

/**
 * Floating-point operations of one run of a program, two per multiply-add: products and attention, forward and
 * backward, as the mathematics has them (what a kernel computes twice counts once).
 */
export function programOperations(program: Program): number {
  let total = 0
  const shape = (tensor: number): readonly number[] => program.tensors[tensor].shape
  const count = (tensor: number): number => shape(tensor).reduce((a, b) => a * b, 1)
  for (const { operation, inputs, outputs } of program.nodes) {
    if (operation === 'linear') total += 2 * count(inputs[0]) * shape(inputs[1])[0]
    else if (operation === 'linearInputGradient') total += 2 * count(inputs[0]) * shape(inputs[1])[1]
    else if (operation === 'linearParameterGradient') {
      const [outer, inner] = shape(outputs[0])
      total += 2 * (count(inputs[1]) / inner) * inner * outer
    } else if (operation === 'attention' || operation === 'attentionGradient') {
      const [batch, queries, width] = shape(operation === 'attention' ? outputs[0] : inputs[0])
      const packed = operation === 'attention' ? inputs : inputs.slice(3)
      const keys = shape(packed[packed.length - 1])[1]
      // Forward q k^T and p v; backward p^T do, do v^T, dS k, dS^T q.
      total += (operation === 'attention' ? 4 : 8) * batch * queries * keys * width
    }
  }
  return total
}
