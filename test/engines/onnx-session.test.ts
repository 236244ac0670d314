import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import type { Engine, EngineOptions, EngineSession, RunInputs } from '../../src/engine/engine.ts'
import { inThreadOnnxEngine, onnxEngine } from '../../src/engine/onnx/index.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { differentiate } from '../../src/graph/differentiate.ts'
import { Graph } from '../../src/graph/graph.ts'
import { gelu } from '../../src/graph/operations/elementwise.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { meanSquaredError } from '../../src/graph/operations/losses.ts'
import type { AdamwEntry, AdamwUpdate, Program } from '../../src/graph/program.ts'
import { relativeError } from '../support/operation-cases.ts'

const [batch, tokens, width, hidden] = [2, 7, 33, 400]

interface TestProgram {
  readonly program: Program
  readonly apply: Program
}

/** A two-layer net. `hidden * width` weights fill no whole block; with `large` they fill several. */
function trainingPrograms(update: Partial<AdamwUpdate> = {}, wide = hidden): TestProgram {
  const graph = new Graph('step')
  const x = graph.input('x', [batch, tokens, width])
  const target = graph.input('target', [batch, tokens, width])
  const shapes = { w1: [wide, width], b1: [wide], w2: [width, wide], b2: [width] }
  const parameters = Object.entries(shapes).map(([name, shape]) => graph.state(name, shape))
  const [w1, b1, w2, b2] = parameters
  const loss = meanSquaredError(linear(gelu(linear(x, w1, b1)), w2, b2), target)
  const gradients = differentiate(loss, parameters)
  const entries = (g: Graph, source: (i: number) => AdamwEntry['gradient']) =>
    Object.entries(shapes).map(([name, shape], i): AdamwEntry => {
      for (const kind of ['m', 'v']) g.state(`${kind}.${name}`, shape)
      return {
        parameter: name,
        gradient: source(i),
        firstMoment: `m.${name}`,
        secondMoment: `v.${name}`,
        decayScale: i % 2 === 0 ? 1 : 0,
        learningRateScale: i === 2 ? 0.5 : 1,
      }
    })
  const adamw = (g: Graph, source: (i: number) => AdamwEntry['gradient']): AdamwUpdate => ({
    kind: 'adamw',
    entries: entries(g, source),
    learningRate: g.input('learningRate', []).id,
    weightDecay: g.input('weightDecay', []).id,
    step: g.input('step', []).id,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    gradientScale: 1,
    clipNorm: null,
    gradientNormOutput: 'norm',
    ...update,
  })
  for (const [name, shape] of Object.entries(shapes)) graph.state(`average.${name}`, shape)
  const decay = graph.input('decay', []).id
  const average = Object.keys(shapes).map((name) => ({ ema: `average.${name}`, source: name }))
  const program = graph.build({ loss, gradient: gradients[0] }, [
    adamw(graph, (i) => ({ tensor: gradients[i].id })),
    { kind: 'ema', entries: average, decay },
  ])

  // The same step in two programs: add gradients up, then apply and zero them.
  const applyGraph = new Graph('apply')
  for (const [name, shape] of Object.entries(shapes)) {
    applyGraph.state(name, shape)
    applyGraph.state(`sum.${name}`, shape)
  }
  const names = Object.keys(shapes)
  const apply = applyGraph.build({}, [
    adamw(applyGraph, (i) => ({ state: `sum.${names[i]}` })),
    { kind: 'zero', states: names.map((name) => `sum.${name}`) },
  ])
  return { program, apply }
}

function accumulating(): Program {
  const graph = new Graph('accumulate')
  const x = graph.input('x', [batch, tokens, width])
  const target = graph.input('target', [batch, tokens, width])
  const shapes = { w1: [hidden, width], b1: [hidden], w2: [width, hidden], b2: [width] }
  const parameters = Object.entries(shapes).map(([name, shape]) => graph.state(name, shape))
  const [w1, b1, w2, b2] = parameters
  const loss = meanSquaredError(linear(gelu(linear(x, w1, b1)), w2, b2), target)
  const gradients = differentiate(loss, parameters)
  for (const [name, shape] of Object.entries(shapes)) graph.state(`sum.${name}`, shape)
  const entries = Object.keys(shapes).map((name, i) => ({ accumulator: `sum.${name}`, gradient: gradients[i].id }))
  return graph.build({ loss }, [{ kind: 'accumulate', entries, weight: graph.input('weight', []).id }])
}

function normals(length: number, ...key: readonly (string | number)[]): Float32Array {
  const random = new RandomStream(1, ...key)
  return Float32Array.from({ length }, () => random.normal(0, 0.3))
}

const data = (step: number): RunInputs => ({
  x: normals(batch * tokens * width, 'x', step),
  target: normals(batch * tokens * width, 'target', step),
})
const scalars = (step: number): RunInputs => ({
  learningRate: Float32Array.of(0.01),
  weightDecay: Float32Array.of(0.05),
  step: Float32Array.of(step),
})
const inputs = (step: number): RunInputs => ({ ...data(step), ...scalars(step), decay: Float32Array.of(0.9) })

const sessions: EngineSession[] = []
async function open(engine: Engine, programs: readonly Program[], options: EngineOptions = { threads: 1 }) {
  const session = await engine.open(programs, options)
  sessions.push(session)
  const state = await session.readState()
  const initial = new Map(['w1', 'w2', 'b1', 'b2'].map((name) => [name, normals(state.get(name)!.length, name)]))
  await session.writeState(initial)
  return session
}
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close()
})

async function train(session: EngineSession, steps: number): Promise<number[]> {
  const numbers: number[] = []
  for (let step = 1; step <= steps; step++) {
    const { loss, norm } = await session.run('step', inputs(step))
    numbers.push(loss[0], norm[0])
  }
  return numbers
}

async function expectSameState(actual: EngineSession, expected: EngineSession): Promise<void> {
  const state = await actual.readState()
  for (const [name, values] of await expected.readState()) {
    expect(relativeError(state.get(name)!, values), name).toBeLessThan(1e-4)
  }
}

/** All of the state as one hash: comparing a million numbers one by one takes the test runner seconds. */
async function digest(session: EngineSession): Promise<string> {
  const hash = createHash('sha256')
  for (const [name, values] of await session.readState()) hash.update(name).update(values)
  return hash.digest('hex')
}

describe('training with the ONNX engine', () => {
  test.each([
    ['plain', {}],
    ['with clipping', { clipNorm: 0.01 }],
    ['with scaled gradients', { gradientScale: 0.25, clipNorm: 1 }],
  ] as const)('%s follows the reference: losses, norms, parameters, moments, averages', async (_, update) => {
    const { program } = trainingPrograms(update)
    const expected = await open(referenceEngine, [program])
    const actual = await open(inThreadOnnxEngine, [program])
    expect(relativeError(await train(actual, 5), await train(expected, 5))).toBeLessThan(1e-5)
    await expectSameState(actual, expected)
  })

  test('accumulates over batches, applies and zeroes', async () => {
    const programs = [accumulating(), trainingPrograms().apply]
    const run = async (session: EngineSession): Promise<number[]> => {
      const numbers: number[] = []
      for (let step = 1; step <= 2; step++) {
        for (const part of [0, 1]) {
          const weight = Float32Array.of(0.5)
          numbers.push((await session.run('accumulate', { ...data(2 * step + part), weight })).loss[0])
        }
        numbers.push((await session.run('apply', scalars(step))).norm[0])
      }
      return numbers
    }
    const expected = await open(referenceEngine, programs)
    const actual = await open(inThreadOnnxEngine, programs)
    expect(relativeError(await run(actual), await run(expected))).toBeLessThan(1e-5)
    await expectSameState(actual, expected)
  })

  test('leaves everything as it was when a gradient is not finite', async () => {
    const session = await open(inThreadOnnxEngine, [trainingPrograms().program])
    const before = await session.readState(['w1', 'm.w1', 'v.w1'])
    const { norm } = await session.run('step', { ...inputs(1), x: new Float32Array(batch * tokens * width).fill(1e30) })
    expect(Number.isFinite(norm[0])).toBe(false)
    expect(await session.readState(['w1', 'm.w1', 'v.w1'])).toEqual(before)
  })

  test('does not let an output change when the next run writes the same gradient buffer', async () => {
    const session = await open(inThreadOnnxEngine, [trainingPrograms().program])
    const { gradient } = await session.run('step', inputs(1))
    const kept = gradient.slice()
    await session.run('step', inputs(2))
    expect(gradient).toEqual(kept)
  })

  test('gives the same bits again, with any number of update threads and in a thread of its own', async () => {
    // 33 * 4000 weights are three blocks; the threads of ONNX Runtime's own arithmetic stay at one.
    const { program } = trainingPrograms({ clipNorm: 0.05 }, 4000)
    const single = await open(inThreadOnnxEngine, [program], { threads: 1 })
    const losses = await train(single, 4)
    const again = await open(inThreadOnnxEngine, [program], { threads: 1 })
    expect(await train(again, 4)).toEqual(losses)
    const threaded = await open(onnxEngine, [program], { threads: 1 })
    expect(await train(threaded, 4)).toEqual(losses)
    expect(await digest(threaded)).toBe(await digest(single))

    const two = await open(inThreadOnnxEngine, [program], { threads: 2 })
    const twoAgain = await open(onnxEngine, [program], { threads: 2 })
    expect(await train(twoAgain, 4)).toEqual(await train(two, 4))
    expect(await digest(twoAgain)).toBe(await digest(two))
  })

  test('continues bit by bit from a state that was read', async () => {
    const { program } = trainingPrograms()
    const first = await open(inThreadOnnxEngine, [program])
    await train(first, 2)
    const second = await open(inThreadOnnxEngine, [program])
    await second.writeState(await first.readState())
    const next = [inputs(3), inputs(4)]
    for (const step of next) {
      const [a, b] = [await first.run('step', step), await second.run('step', step)]
      expect(b).toEqual(a)
    }
  })
})

describe('an ONNX session', () => {
  test('says what it holds', async () => {
    const session = await open(inThreadOnnxEngine, [trainingPrograms().program])
    const parameters = 2 * hidden * width + hidden + width
    const { state, workspace } = await session.memory()
    expect(state).toBe(4 * 4 * parameters)
    expect(workspace).toBeGreaterThanOrEqual(4 * parameters)
  })

  test('reads inputs in shared memory', async () => {
    const session = await open(inThreadOnnxEngine, [trainingPrograms().program])
    const shared: Record<string, Float32Array> = {}
    for (const [name, value] of Object.entries(inputs(1))) {
      shared[name] = new Float32Array(new SharedArrayBuffer(value.byteLength))
      shared[name].set(value)
    }
    const other = await open(inThreadOnnxEngine, [trainingPrograms().program])
    expect(await session.run('step', shared)).toEqual(await other.run('step', inputs(1)))
  })

  test('refuses what it cannot do', async () => {
    const { program } = trainingPrograms()
    await expect(inThreadOnnxEngine.open([program], { threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(inThreadOnnxEngine.open([program], { precision: 'bfloat16' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(inThreadOnnxEngine.open([program], { device: 'abacus' })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('cpu'),
    })
    const unknown = { ...program, nodes: [{ ...program.nodes[0], operation: 'divine' }, ...program.nodes.slice(1)] }
    await expect(inThreadOnnxEngine.open([unknown])).rejects.toMatchObject({ code: 'PROGRAM_UNSUPPORTED' })
    expect(await inThreadOnnxEngine.probe()).toMatchObject({ available: true, detail: expect.stringContaining('1.30') })
  })
})
