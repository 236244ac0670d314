import { describe, expect, test } from 'vitest'
import { Graph } from './graph.ts'
import { attentionOperation } from './operations/attention.ts'
import { add, gelu, multiply, scale } from './operations/elementwise.ts'
import { softmax } from './operations/losses.ts'
import { sumLeading } from './operations/reductions.ts'
import type { AdamwUpdate, Program, Update } from './program.ts'

const code = (expected: string) => expect.objectContaining({ code: expected })

/** Every node comes after the nodes and leaves it needs. */
function expectOrdered(program: Program): void {
  const ready = new Set([...program.inputs, ...program.state, ...program.constants].map(({ tensor }) => tensor))
  for (const node of program.nodes) {
    for (const input of node.inputs) expect(ready).toContain(input)
    for (const output of node.outputs) ready.add(output)
  }
  for (const { tensor } of program.outputs) expect(ready).toContain(tensor)
}

describe('Graph.build', () => {
  test('leaves out nodes, inputs, states and constants that nothing needs', () => {
    const graph = new Graph('test')
    const [x, unused] = [graph.input('x', [2]), graph.input('unused', [2])]
    const [w, idle] = [graph.state('w', [2]), graph.state('idle', [2])]
    const c = graph.constant([2], Float32Array.of(1, 2))
    const dead = multiply(add(unused, idle), graph.constant([], Float32Array.of(3)))
    const y = gelu(add(multiply(x, w), c))
    softmax(dead)
    const program = graph.build({ y })
    expect(program.nodes.map((node) => node.operation)).toEqual(['multiply', 'add', 'gelu'])
    expect(program.inputs).toEqual([{ name: 'x', tensor: x.id }])
    expect(program.state).toEqual([{ name: 'w', tensor: w.id }])
    expect(program.constants.map(({ tensor }) => tensor)).toEqual([c.id])
    expect(program.updateState).toEqual([])
    expectOrdered(program)
  })

  test('keeps an operation of which only the second output is read', () => {
    const graph = new Graph('test')
    const [o, logSumExp] = graph.apply(attentionOperation, [graph.input('qkv', [2, 4, 6])], { heads: 2 })
    const program = graph.build({ logSumExp })
    expect(program.nodes[0].outputs).toEqual([o.id, logSumExp.id])
    expect(program.tensors[logSumExp.id]).toEqual({ shape: [2, 2, 4], dtype: 'float32' })
  })

  test('lists states that only updates touch apart, and keeps what updates need', () => {
    const graph = new Graph('test')
    const [x, w] = [graph.input('x', [2]), graph.state('w', [2])]
    for (const name of ['m', 'v', 'sum']) graph.state(name, [2])
    const gradient = scale(x, 2)
    const weight = graph.input('weight', []).id
    const program = graph.build({ y: multiply(x, w) }, [
      { kind: 'accumulate', entries: [{ accumulator: 'sum', gradient: gradient.id }], weight },
      { kind: 'zero', states: ['m', 'w'] },
    ])
    expect(program.state.map(({ name }) => name)).toEqual(['w'])
    expect(program.updateState).toEqual([
      { name: 'sum', shape: [2] },
      { name: 'm', shape: [2] },
    ])
    expect(program.nodes.map((node) => node.operation)).toEqual(['scale', 'multiply'])
    expect(program.inputs.map(({ name }) => name)).toEqual(['x', 'weight'])
  })

  test('gives plain data that survives a structured clone', () => {
    const graph = new Graph('test')
    const x = graph.input('x', [2, 3])
    const y = sumLeading(add(x, graph.constant([3], Float32Array.of(1, 2, 3))), 1)
    const program = graph.build({ y, again: y, x })
    expect(structuredClone(program)).toEqual(program)
    expect(program.outputs.map(({ name }) => name)).toEqual(['y', 'again', 'x'])
  })

  test('can build several programs from one graph', () => {
    const graph = new Graph('test')
    const x = graph.input('x', [2])
    const [a, b] = [gelu(x), softmax(x)]
    expect(graph.build({ a }).nodes.map((node) => node.operation)).toEqual(['gelu'])
    expect(graph.build({ b }).nodes.map((node) => node.operation)).toEqual(['softmax'])
  })

  test('refuses tensors of another graph', () => {
    const [graph, other] = [new Graph('one'), new Graph('other')]
    const [x, y] = [graph.input('x', [2]), other.input('y', [2])]
    expect(() => add(x, y)).toThrow(code('GRAPH_MIXED'))
    expect(() => graph.build({ y })).toThrow(code('GRAPH_MIXED'))
  })
})

describe('Graph leaves', () => {
  test('a state asked for twice is one tensor, of one shape', () => {
    const graph = new Graph('test')
    expect(graph.state('w', [2, 3])).toBe(graph.state('w', [2, 3]))
    expect(() => graph.state('w', [3, 2])).toThrow(code('SHAPE_MISMATCH'))
    expect([...graph.states().keys()]).toEqual(['w'])
  })

  test('input names are taken once', () => {
    const graph = new Graph('test')
    graph.input('x', [2])
    expect(() => graph.input('x', [2])).toThrow(code('NAME_TAKEN'))
  })

  test('constants fit their shape and keep their type; sizes are positive integers', () => {
    const graph = new Graph('test')
    expect(graph.constant([2, 2], Int32Array.of(1, 2, 3, 4)).dtype).toBe('int32')
    expect(graph.constant([1], Uint8Array.of(1)).dtype).toBe('uint8')
    expect(() => graph.constant([2, 2], Float32Array.of(1))).toThrow(code('SHAPE_MISMATCH'))
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => graph.input(`x${size}`, [2, size])).toThrow(code('SHAPE_MISMATCH'))
    }
  })
})

describe('updates', () => {
  function withUpdate(make: (graph: Graph) => Update): () => Program {
    const graph = new Graph('test')
    graph.input('x', [2])
    graph.input('rate', [])
    for (const name of ['w', 'm', 'v']) graph.state(name, [2])
    graph.state('wide', [3])
    return () => graph.build({}, [make(graph)])
  }

  const adamw = (change: Partial<AdamwUpdate> = {}, entry = {}): AdamwUpdate => ({
    kind: 'adamw',
    entries: [
      {
        parameter: 'w',
        gradient: { tensor: 0 },
        firstMoment: 'm',
        secondMoment: 'v',
        decayScale: 1,
        learningRateScale: 1,
        ...entry,
      },
    ],
    learningRate: 1,
    weightDecay: 1,
    step: 1,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    gradientScale: 1,
    clipNorm: null,
    gradientNormOutput: 'norm',
    ...change,
  })

  test('that fit are kept as they are', () => {
    expect(withUpdate(() => adamw())().updates).toEqual([adamw()])
  })

  test.each<[string, string, Update]>([
    ['a learning rate that is no scalar', 'SHAPE_MISMATCH', adamw({ learningRate: 0 })],
    ['a step that is a state', 'SHAPE_MISMATCH', adamw({ step: 2 })],
    ['a gradient of another shape', 'SHAPE_MISMATCH', adamw({}, { gradient: { tensor: 1 } })],
    ['an accumulator of another shape', 'SHAPE_MISMATCH', adamw({}, { gradient: { state: 'wide' } })],
    ['a moment of another shape', 'SHAPE_MISMATCH', adamw({}, { secondMoment: 'wide' })],
    ['an unknown parameter', 'STATE_UNKNOWN', adamw({}, { parameter: 'absent' })],
    ['an unknown moment', 'STATE_UNKNOWN', adamw({}, { firstMoment: 'absent' })],
    ['an average of another shape', 'SHAPE_MISMATCH', average('wide', 'w')],
    ['an average of nothing', 'STATE_UNKNOWN', average('w', 'absent')],
    ['an accumulator that does not fit', 'SHAPE_MISMATCH', accumulate('wide')],
    ['zeroing an unknown state', 'STATE_UNKNOWN', { kind: 'zero', states: ['absent'] }],
  ])('%s is refused', (_title, expected, update) => {
    expect(withUpdate(() => update)).toThrow(code(expected))
  })

  test('a gradient norm does not hide another output', () => {
    const graph = new Graph('test')
    const norm = graph.input('norm', [])
    expect(() => graph.build({ norm }, [adamw({ entries: [], learningRate: 0, weightDecay: 0, step: 0 })])).toThrow(
      code('NAME_TAKEN'),
    )
  })
})

function average(target: string, source: string): Update {
  return { kind: 'ema', entries: [{ ema: target, source }], decay: 1 }
}

function accumulate(accumulator: string): Update {
  return { kind: 'accumulate', entries: [{ accumulator, gradient: 0 }], weight: 1 }
}
