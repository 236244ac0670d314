import type { Program, ProgramNode } from '../../../src/graph.ts'

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** Floating-point operations of a program in matrix products, a multiplication and an addition each; nothing else. */
export function productFlops(program: Program): number {
  return program.nodes.reduce((sum, node) => sum + 2 * multiplications(program, node), 0)
}

function multiplications({ tensors }: Program, node: ProgramNode): number {
  const shapes = node.inputs.map((tensor) => tensors[tensor].shape)
  const [first, second] = shapes
  switch (node.operation) {
    case 'linear': // x [..., I], w [O, I]
      return elements(first) * second[0]
    case 'linearInputGradient': // dy [..., O], w [O, I]
      return elements(first) * second[1]
    case 'linearParameterGradient': // dy [..., O], x [..., I]
      return elements(first) * second[second.length - 1]
    case 'attention':
      return 2 * scores(shapes)
    case 'attentionGradient': // do, o, logSumExp, then the inputs of attention: scores again, and four gradients
      return 5 * scores(shapes.slice(3))
    default:
      return 0
  }
}

/** Multiplications of q k^T over all heads, of qkv [B, N, 3D], or q [B, Nq, D] and keys [B, Nk, ...]. */
function scores([first, keys]: readonly (readonly number[])[]): number {
  const [batch, queries, columns] = first
  return keys === undefined ? (batch * queries * queries * columns) / 3 : batch * queries * keys[1] * columns
}
