/** Oracle: the attentive head as it is defined, with keys and values projected from every token, in float64. */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { evaluate } from '../engine/reference/evaluate.ts'
import { differentiate } from '../graph/differentiate.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { attention } from '../graph/operations/attention.ts'
import { add } from '../graph/operations/elementwise.ts'
import { softmaxCrossEntropy } from '../graph/operations/losses.ts'
import { reshape } from '../graph/operations/movement.ts'
import { broadcastLeading } from '../graph/operations/reductions.ts'
import { elementCount } from '../graph/program.ts'
import { dense, mlp, norm } from './block.ts'
import { type AttentiveHeadOptions, attentiveHead, linearHead } from './heads.ts'

function definition(tokens: Tensor, { classes, heads, mlpWidth, epsilon }: AttentiveHeadOptions): Tensor {
  const { graph } = tokens
  const [batch, , width] = tokens.shape
  const query = broadcastLeading(reshape(graph.state('probe.query', [width]), [1, width]), [batch])
  const q = dense(query, 'probe.attn.q', width)
  const kv = dense(norm(tokens, 'probe.norm1', epsilon), 'probe.attn.kv', 2 * width)
  const attended = add(query, dense(attention([q, kv], heads), 'probe.attn.proj', width))
  const pooled = add(attended, mlp(norm(attended, 'probe.norm2', epsilon), 'probe.mlp', mlpWidth))
  return linearHead(reshape(pooled, [batch, width]), classes)
}

/** Logits and the gradient of every parameter, for random tokens and parameters that depend on their names alone. */
function results(head: typeof attentiveHead, options: AttentiveHeadOptions, width: number, tokens: number) {
  const graph = new Graph('head')
  const batch = 3
  const random = (name: string, shape: readonly number[], deviation: number) => {
    const stream = new RandomStream(5, name)
    return Float64Array.from({ length: elementCount(shape) }, () => stream.normal(0, deviation))
  }
  const logits = head(graph.input('tokens', [batch, tokens, width]), options)
  const states = [...graph.states()].sort(([a], [b]) => a.localeCompare(b))
  const loss = softmaxCrossEntropy(logits, graph.input('targets', logits.shape))
  const gradients = differentiate(
    loss,
    states.map(([, state]) => state),
  )
  const program = graph.build({ logits, ...Object.fromEntries(states.map(([name], i) => [name, gradients[i]])) })
  const values = new Map(states.map(([name, { shape }]) => [name, random(name, shape, 0.4)]))
  const targets = new Float64Array(batch * options.classes)
  for (let b = 0; b < batch; b++) targets[b * options.classes + b] = 1
  const inputs = { tokens: random('tokens', [batch, tokens, width], 2), targets }
  const evaluated = evaluate(program, inputs, values)
  return new Map(program.outputs.map(({ name, tensor }) => [name, evaluated.get(tensor)!]))
}

describe('attentiveHead', () => {
  test.each([1, 2, 4])('with %i heads has the logits and gradients of its definition', (heads) => {
    const options = { classes: 4, heads, mlpWidth: 20, epsilon: 1e-6 }
    const expected = results(definition, options, 8, 7)
    const found = results(attentiveHead, options, 8, 7)
    expect([...found.keys()]).toEqual([...expected.keys()])
    expect(found.size).toBe(18)
    for (const [name, values] of expected) {
      const size = Math.hypot(...values)
      const difference = Math.hypot(...values.map((value, i) => value - found.get(name)![i]))
      expect(difference, name).toBeLessThan(1e-10 * size + 1e-13)
    }
  })
})
