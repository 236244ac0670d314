import { VideoMaeError } from '../core/errors.ts'
import type { Tensor } from './graph.ts'
import { add } from './operations/elementwise.ts'
import { formatSpec } from './program.ts'

/**
 * Reverse-mode differentiation: records, on the graph of `loss`, the operations that compute its gradient.
 *
 * @param loss scalar (shape [])
 * @param parameters tensors to differentiate with respect to
 * @returns one gradient per parameter, of the parameter's shape
 * @throws VideoMaeError `NOT_DIFFERENTIABLE` when a needed path runs through an operation (or one of its inputs or
 *   outputs) without a gradient, `GRADIENT_MISSING` when the loss does not depend on a parameter, `SHAPE_MISMATCH` for a
 *   loss that is not a scalar, `GRAPH_MIXED`
 */
export function differentiate(loss: Tensor, parameters: readonly Tensor[]): readonly Tensor[] {
  const graph = loss.graph
  if (loss.shape.length > 0) {
    throw new VideoMaeError(`Expected a scalar loss, received ${formatSpec(loss)}.`, { code: 'SHAPE_MISMATCH' })
  }
  if (parameters.some((parameter) => parameter.graph !== graph)) {
    throw new VideoMaeError(`Expected parameters of the graph ${graph.name}, which the loss belongs to.`, {
      code: 'GRAPH_MIXED',
    })
  }
  const nodes = [...graph.nodes]
  // Forward sweep: which tensors depend on a parameter.
  const depends = new Set<number>(parameters.map((parameter) => parameter.id))
  for (const node of nodes) {
    if (node.inputs.some((input) => depends.has(input.id))) for (const output of node.outputs) depends.add(output.id)
  }

  const gradients = new Map<number, Tensor>()
  gradients.set(loss.id, graph.constant([], new Float32Array([1])))
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]
    const incoming = node.outputs.map((output) => gradients.get(output.id) ?? null)
    if (incoming.every((gradient) => gradient === null)) continue
    const wanted = node.inputs.map((input) => depends.has(input.id))
    if (!wanted.includes(true)) continue
    const rule = node.definition.gradient
    if (rule === null) throw notDifferentiable(node.definition.name, 'no gradient')
    if (incoming.some((gradient, k) => k > 0 && gradient !== null)) {
      throw notDifferentiable(node.definition.name, 'a gradient for its first output only')
    }
    const results = rule({ ...node, gradients: incoming, wanted })
    for (const [k, { id }] of node.inputs.entries()) {
      if (!wanted[k]) continue
      const gradient = results[k] ?? null
      if (gradient === null) throw notDifferentiable(node.definition.name, `no gradient for its input ${k}`)
      const sum = gradients.get(id)
      gradients.set(id, sum === undefined ? gradient : add(sum, gradient))
    }
  }
  return parameters.map((parameter) => {
    const gradient = gradients.get(parameter.id)
    if (gradient === undefined) {
      throw new VideoMaeError(`The loss does not depend on a parameter of shape [${parameter.shape.join(',')}].`, {
        code: 'GRADIENT_MISSING',
      })
    }
    return gradient
  })
}

function notDifferentiable(operation: string, what: string): VideoMaeError {
  return new VideoMaeError(`The operation ${operation} has ${what}, but the loss depends on a parameter through it.`, {
    code: 'NOT_DIFFERENTIABLE',
  })
}
