/** Oracle: derivatives worked out by hand; the reference engine in float64 computes what was recorded. */
import { describe, expect, test } from 'vitest'
import { evaluate } from '../engine/reference/evaluate.ts'
import { differentiate } from './differentiate.ts'
import { Graph, type Tensor } from './graph.ts'
import { attentionOperation } from './operations/attention.ts'
import { add, multiply, scale } from './operations/elementwise.ts'
import { layerNormOperation } from './operations/layer-norm.ts'
import { meanSquaredError, softmax } from './operations/losses.ts'
import { gatherRows } from './operations/movement.ts'
import { sumLeading } from './operations/reductions.ts'

const code = (expected: string) => expect.objectContaining({ code: expected })
const x = [1, 2, 3]
const y = [-1, 0.5, 4]

function graphWithLeaves(): { graph: Graph; a: Tensor; b: Tensor } {
  const graph = new Graph('test')
  return { graph, a: graph.state('a', [3]), b: graph.state('b', [3]) }
}

function gradientValues(loss: Tensor, parameters: readonly Tensor[]): number[][] {
  const gradients = differentiate(loss, parameters)
  const program = loss.graph.build(Object.fromEntries(gradients.map((gradient, i) => [`${i}`, gradient])))
  const values = evaluate(
    program,
    {},
    new Map([
      ['a', x],
      ['b', y],
    ]),
  )
  return gradients.map((gradient) => [...values.get(gradient.id)!])
}

describe('differentiate', () => {
  test('sums what comes back along several paths', () => {
    const { a, b } = graphWithLeaves()
    // loss = sum(a a a + a b + 2 a)
    const loss = sumLeading(add(add(multiply(multiply(a, a), a), multiply(a, b)), scale(a, 2)), 0)
    const [da, db] = gradientValues(loss, [a, b])
    expect(da).toEqual(x.map((value, i) => 3 * value ** 2 + y[i] + 2))
    expect(db).toEqual(x)
  })

  test('handles one tensor as both operands of an operation', () => {
    const { a } = graphWithLeaves()
    expect(gradientValues(sumLeading(multiply(a, a), 0), [a])).toEqual([x.map((value) => 2 * value)])
    const { a: c } = graphWithLeaves()
    expect(gradientValues(sumLeading(add(c, c), 0), [c])).toEqual([[2, 2, 2]])
  })

  test('differentiates with respect to a tensor inside the graph', () => {
    const { a, b } = graphWithLeaves()
    const inner = multiply(a, b)
    expect(gradientValues(sumLeading(multiply(inner, inner), 0), [inner])).toEqual([x.map((v, i) => 2 * v * y[i])])
  })

  test('gives 1 for the loss itself and the same tensor for a parameter named twice', () => {
    const { a } = graphWithLeaves()
    const loss = sumLeading(a, 0)
    const [own, first, second] = differentiate(loss, [loss, a, a])
    expect(own.shape).toEqual([])
    expect(first).toBe(second)
  })

  test('records nothing for tensors that do not lead to the loss or to no parameter', () => {
    const { graph, a, b } = graphWithLeaves()
    softmax(a) // a dead branch without a gradient
    const frozen = multiply(b, b)
    const loss = sumLeading(multiply(frozen, a), 0)
    const before = graph.nodes.length
    differentiate(loss, [a])
    // multiply(broadcast, frozen) and the broadcast of 1: neither b nor the dead branch costs anything.
    expect(graph.nodes.length - before).toBe(2)
  })

  test('refuses operations that have no gradient on the way to a parameter, and only there', () => {
    const { a, b } = graphWithLeaves()
    expect(() => differentiate(sumLeading(softmax(a), 0), [a])).toThrow(code('NOT_DIFFERENTIABLE'))
    expect(() => differentiate(sumLeading(multiply(a, softmax(b)), 0), [a])).not.toThrow()
    expect(() => differentiate(sumLeading(multiply(a, softmax(b)), 0), [a, b])).toThrow(code('NOT_DIFFERENTIABLE'))
  })

  test('refuses inputs that have no gradient instead of leaving their part out', () => {
    const graph = new Graph('test')
    const [p, t] = [graph.state('p', [1, 2, 3]), graph.state('t', [1, 2, 3])]
    expect(() => differentiate(meanSquaredError(p, t), [p])).not.toThrow()
    expect(() => differentiate(meanSquaredError(p, t), [p, t])).toThrow(code('NOT_DIFFERENTIABLE'))
    expect(() => differentiate(meanSquaredError(p, p), [p])).toThrow(code('NOT_DIFFERENTIABLE'))
    const table = graph.state('table', [4, 3])
    const rows = gatherRows(table, graph.input('indices', [1, 2], 'int32'))
    expect(() => differentiate(sumLeading(rows, 0), [table])).toThrow(code('NOT_DIFFERENTIABLE'))
  })

  test('refuses a loss that flows through a statistic of an operation', () => {
    const graph = new Graph('test')
    const [q, g] = [graph.state('q', [1, 2, 6]), graph.state('g', [6])]
    const [o, logSumExp] = graph.apply(attentionOperation, [q], { heads: 1 })
    expect(() => differentiate(sumLeading(o, 0), [q])).not.toThrow()
    expect(() => differentiate(sumLeading(logSumExp, 0), [q])).toThrow(code('NOT_DIFFERENTIABLE'))
    const [normed, mean] = graph.apply(layerNormOperation, [q, g, g], { epsilon: 1e-6 })
    const both = add(sumLeading(normed, 0), sumLeading(mean, 0))
    expect(() => differentiate(both, [q])).toThrow(code('NOT_DIFFERENTIABLE'))
  })

  test('names a parameter that the loss does not depend on', () => {
    const { a, b } = graphWithLeaves()
    expect(() => differentiate(sumLeading(a, 0), [a, b])).toThrow(code('GRADIENT_MISSING'))
  })

  test('wants a scalar loss and parameters of its graph', () => {
    const { a } = graphWithLeaves()
    const { a: other } = graphWithLeaves()
    expect(() => differentiate(a, [a])).toThrow(code('SHAPE_MISMATCH'))
    expect(() => differentiate(sumLeading(a, 0), [other])).toThrow(code('GRAPH_MIXED'))
  })
})
