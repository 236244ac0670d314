import { describe, expect, test } from 'vitest'
import { Graph, type Tensor } from '../graph/graph.ts'
import { gatherRows, gatherTokens, reshape, scatterTokens } from '../graph/operations/movement.ts'
import { patchify, patchTargets } from '../graph/operations/patches.ts'
import type { Program } from '../graph/program.ts'
import { checkStateNames, collectStates, inputCheck, stateBytes } from './check.ts'
import { ExclusiveUse } from './exclusive.ts'

const code = (expected: string) => expect.objectContaining({ code: expected })

describe('indices', () => {
  const pixels = { tubelet: 2, patch: 2, mean: [0, 0, 0], std: [1, 1, 1] }
  const frames = (graph: Graph): Tensor => graph.constant([1, 4, 4, 6, 3], new Uint8Array(4 * 4 * 6 * 3))
  const floats = (graph: Graph, ...shape: number[]): Tensor =>
    graph.constant(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))
  const cases: Record<string, { limit: number; use: (graph: Graph, indices: Tensor) => Tensor }> = {
    gatherTokens: { limit: 5, use: (g, i) => gatherTokens(floats(g, 1, 5, 2), i) },
    scatterTokens: { limit: 7, use: (g, i) => scatterTokens(floats(g, 1, 2, 2), i, 7) },
    gatherRows: { limit: 3, use: (g, i) => gatherRows(floats(g, 3, 2), i) },
    patchTargets: { limit: 12, use: (g, i) => patchTargets(frames(g), i, { ...pixels, normalize: false }) },
    patchify: { limit: 12, use: (g, i) => patchify(frames(g), i, { ...pixels, layout: 'BTHWC' }) },
    reshape: { limit: 3, use: (g, i) => gatherRows(floats(g, 3, 2), reshape(reshape(i, [2]), [2, 1])) },
    'the smaller of two': {
      // The second use may not exceed the two tokens that the first one picked.
      limit: 2,
      use: (g, i) => gatherTokens(gatherTokens(floats(g, 1, 4, 2), i), i),
    },
  }
  const program = (use: (graph: Graph, indices: Tensor) => Tensor, constant?: Int32Array): Program => {
    const graph = new Graph('test')
    const indices = constant ? graph.constant([1, 2], constant) : graph.input('indices', [1, 2], 'int32')
    return graph.build({ y: use(graph, indices) })
  }

  test.each(Object.keys(cases))('of %s stay in range', (name) => {
    const { use, limit } = cases[name]
    const check = inputCheck(program(use))
    expect(() => check({ indices: Int32Array.of(0, limit - 1) })).not.toThrow()
    expect(() => check({ indices: Int32Array.of(0, limit) })).toThrow(code('INDEX_RANGE'))
    expect(() => check({ indices: Int32Array.of(-1, 0) })).toThrow(code('INDEX_RANGE'))
    expect(() => inputCheck(program(use, Int32Array.of(0, limit)))).toThrow(code('INDEX_RANGE'))
    expect(() => inputCheck(program(use, Int32Array.of(0, limit - 1)))).not.toThrow()
  })
})

test('inputs of inherited names are missing, and a Buffer is bytes', () => {
  const graph = new Graph('test')
  const bytes = graph.input('constructor', [2], 'uint8')
  const check = inputCheck(graph.build({ bytes }))
  expect(() => check({})).toThrow(code('INPUT_MISSING'))
  expect(() => check({ constructor: Buffer.from([1, 2]) })).not.toThrow()
})

test('states are collected over programs, and messages stay short', () => {
  const graph = new Graph('one')
  graph.state('m', [4])
  const one = graph.build({ w: graph.state('w', [2, 3]) }, [{ kind: 'zero', states: ['m'] }])
  const shapes = collectStates([one, { ...one, name: 'two' }])
  expect(Object.fromEntries(shapes)).toEqual({ w: [2, 3], m: [4] })
  expect(stateBytes(shapes)).toBe(40)
  expect(checkStateNames(shapes)).toEqual(['w', 'm'])
  expect(() => checkStateNames(shapes, ['a', 'b', 'c', 'd', 'e'])).toThrow(/a, b, c and 2 more/)
})

describe('ExclusiveUse', () => {
  test('is busy until its caller can see the result, and free after a failure', async () => {
    const use = new ExclusiveUse('The test')
    const first = use.run(() => 1)
    await expect(use.run(() => 2)).rejects.toEqual(code('ENGINE_BUSY'))
    expect(await first).toBe(1)
    await expect(
      use.run(() => {
        throw new Error('broken')
      }),
    ).rejects.toThrow('broken')
    expect(await use.run(() => 3)).toBe(3)
  })

  test('closes once, behind work under way, even when that fails', async () => {
    const use = new ExclusiveUse('The test')
    const events: string[] = []
    const running = use.run(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      events.push('work')
      throw new Error('broken')
    })
    const closing = use.close(() => {
      events.push('release')
    })
    await expect(use.run(() => 1)).rejects.toEqual(code('ENGINE_CLOSED'))
    await expect(running).rejects.toThrow('broken')
    await closing
    await use.close(() => {
      events.push('again')
    })
    expect(events).toEqual(['work', 'release'])
  })
})
