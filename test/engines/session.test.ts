/**
 * What a session promises, whatever the engine: shared state, the order of updates, checked inputs, one caller at a
 * time, closing. Expected numbers are small enough to be worked out by hand.
 */
import { expect, test } from 'vitest'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { differentiate } from '../../src/graph/differentiate.ts'
import { Graph } from '../../src/graph/graph.ts'
import { add, multiply, scale } from '../../src/graph/operations/elementwise.ts'
import { gatherTokens } from '../../src/graph/operations/movement.ts'
import { sumLeading } from '../../src/graph/operations/reductions.ts'
import type { Program, Update } from '../../src/graph/program.ts'
import { describeEngines, withSession } from '../support/engines.ts'

const array = (...values: number[]): Float32Array => Float32Array.from(values)
const code = (expected: string) => expect.objectContaining({ code: expected })

/** loss = sum(x * w), so the gradient of w is x; AdamW on w unless other updates are given. */
function step(name: string, updates?: (graph: Graph, gradient: number) => Update[]): Program {
  const graph = new Graph(name)
  const [x, w] = [graph.input('x', [3]), graph.state('w', [3])]
  const loss = sumLeading(multiply(x, w), 0)
  const [gradient] = differentiate(loss, [w])
  const scalar = (input: string): number => graph.input(input, []).id
  for (const moment of ['w.m', 'w.v']) graph.state(moment, [3])
  const adamw: Update = {
    kind: 'adamw',
    entries: [
      {
        parameter: 'w',
        gradient: { tensor: gradient.id },
        firstMoment: 'w.m',
        secondMoment: 'w.v',
        decayScale: 1,
        learningRateScale: 1,
      },
    ],
    learningRate: scalar('learningRate'),
    weightDecay: scalar('weightDecay'),
    step: scalar('step'),
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    gradientScale: 1,
    clipNorm: null,
    gradientNormOutput: 'gradientNorm',
  }
  return graph.build({ loss, before: w }, updates === undefined ? [adamw] : updates(graph, gradient.id))
}

const rates = { learningRate: array(0.1), weightDecay: array(0), step: array(1) }

/** Reads w and doubles it. */
function doubled(): Program {
  const graph = new Graph('doubled')
  return graph.build({ doubled: scale(graph.state('w', [3]), 2) })
}

async function readOne(session: EngineSession, name: string): Promise<number[]> {
  return [...(await session.readState([name])).get(name)!]
}

function withStep<T>(engine: Engine, use: (session: EngineSession) => Promise<T>): Promise<T> {
  return withSession(engine, [step('step'), doubled()], use)
}

describeEngines('session', (engine) => {
  test('state starts at zero, is written and read back exactly, as copies', async () => {
    await withStep(await engine(), async (session) => {
      const all = await session.readState()
      expect([...all.keys()].sort()).toEqual(['w', 'w.m', 'w.v'])
      for (const values of all.values()) expect([...values]).toEqual([0, 0, 0])
      const values = array(1 / 3, -1e-30, 65504.5)
      await session.writeState(new Map([['w', values]]))
      const expected = [...values]
      values.fill(7)
      const read = (await session.readState(['w'])).get('w')!
      expect([...read]).toEqual(expected)
      read.fill(9)
      expect(await readOne(session, 'w')).toEqual(expected)
      expect(await readOne(session, 'w.m')).toEqual([0, 0, 0])
    })
  })

  test('programs of one session share state by name', async () => {
    await withStep(await engine(), async (session) => {
      await session.writeState(new Map([['w', array(1, 2, 3)]]))
      expect([...(await session.run('doubled', {})).doubled]).toEqual([2, 4, 6])
      await session.run('step', { x: array(1, -1, 1), ...rates })
      const w = await readOne(session, 'w')
      // AdamW's first step is the learning rate against the sign of the gradient.
      for (const [i, expected] of [0.9, 2.1, 2.9].entries()) expect(w[i]).toBeCloseTo(expected, 5)
      expect([...(await session.run('doubled', {})).doubled]).toEqual(w.map((value) => 2 * value))
    })
  })

  test('outputs show the state before the updates, and a loss and norm of shape []', async () => {
    await withStep(await engine(), async (session) => {
      await session.writeState(new Map([['w', array(1, 2, 3)]]))
      const outputs = await session.run('step', { x: array(2, 3, 6), ...rates })
      expect(Object.keys(outputs).sort()).toEqual(['before', 'gradientNorm', 'loss'])
      expect([...outputs.before]).toEqual([1, 2, 3])
      expect([...outputs.loss]).toEqual([26])
      expect(outputs.gradientNorm).toHaveLength(1)
      expect(outputs.gradientNorm[0]).toBeCloseTo(7, 5)
      expect(await readOne(session, 'w')).not.toEqual([1, 2, 3])
    })
  })

  test('equal runs give equal bits, and outputs stay what they were', async () => {
    await withStep(await engine(), async (session) => {
      const x = array(0.1, 0.2, 0.3)
      const once = async () => {
        await session.writeState(
          new Map([
            ['w', array(0.4, 0.5, 0.6)],
            ['w.m', array(0, 0, 0)],
            ['w.v', array(0, 0, 0)],
          ]),
        )
        const outputs = await session.run('step', { x, ...rates })
        return { outputs, w: await readOne(session, 'w') }
      }
      const first = await once()
      const kept = [...first.outputs.loss]
      const second = await once()
      expect(second.w).toEqual(first.w)
      expect([...second.outputs.loss]).toEqual(kept)
      x.fill(5)
      await session.run('step', { x, ...rates })
      expect([...first.outputs.loss]).toEqual(kept)
    })
  })

  test('a gradient that is not finite is reported and leaves parameters and moments as they were', async () => {
    await withStep(await engine(), async (session) => {
      await session.run('step', { x: array(1, 2, 3), ...rates })
      const before = await session.readState()
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const outputs = await session.run('step', { x: array(1, bad, 3), ...rates, step: array(2) })
        expect(Number.isFinite(outputs.gradientNorm[0])).toBe(false)
      }
      expect(await session.readState()).toEqual(before)
      await session.run('step', { x: array(1, 2, 3), ...rates, step: array(2) })
      expect(await readOne(session, 'w')).not.toEqual([...before.get('w')!])
    })
  })

  test('updates run in the order in which they stand', async () => {
    const ordered = step('ordered', (graph, gradient) => {
      for (const name of ['sum', 'late', 'mean']) graph.state(name, [3])
      const weight = graph.input('weight', []).id
      const decay = graph.input('decay', []).id
      return [
        { kind: 'accumulate', entries: [{ accumulator: 'sum', gradient }], weight },
        { kind: 'ema', entries: [{ ema: 'mean', source: 'sum' }], decay },
        { kind: 'zero', states: ['sum', 'late'] },
        { kind: 'accumulate', entries: [{ accumulator: 'late', gradient }], weight },
      ]
    })
    await withSession(await engine(), [ordered], async (session) => {
      await session.writeState(
        new Map([
          ['sum', array(10, 20, 30)],
          ['late', array(5, 5, 5)],
          ['mean', array(4, 4, 4)],
        ]),
      )
      await session.run('ordered', { x: array(1, 2, 3), weight: array(2), decay: array(0.75) })
      expect(await readOne(session, 'sum')).toEqual([0, 0, 0])
      expect(await readOne(session, 'mean')).toEqual([6, 9, 12])
      expect(await readOne(session, 'late')).toEqual([2, 4, 6])
    })
  })

  test('programs without nodes, inputs or updates run', async () => {
    const clear = new Graph('clear')
    clear.state('w', [3])
    const programs = [step('step'), clear.build({}, [{ kind: 'zero', states: ['w'] }]), echo()]
    await withSession(await engine(), programs, async (session) => {
      await session.writeState(new Map([['w', array(1, 2, 3)]]))
      expect([...(await session.run('echo', { x: array(4, 5) })).x]).toEqual([4, 5])
      expect([...(await session.run('echo', { x: array(4, 5) })).c]).toEqual([8])
      expect(await session.run('clear', {})).toEqual({})
      expect(await readOne(session, 'w')).toEqual([0, 0, 0])
    })
  })

  test('inputs are checked before anything changes', async () => {
    await withSession(await engine(), [step('step'), picking()], async (session) => {
      const x = array(1, 2, 3)
      await expect(session.run('step', { ...rates })).rejects.toEqual(code('INPUT_MISSING'))
      await expect(session.run('step', { x, ...rates, extra: x })).rejects.toEqual(code('INPUT_UNKNOWN'))
      await expect(session.run('step', { ...rates, x: array(1, 2) })).rejects.toEqual(code('INPUT_LENGTH'))
      await expect(session.run('step', { ...rates, x: Int32Array.of(1, 2, 3) })).rejects.toEqual(code('INPUT_TYPE'))
      await expect(session.run('train', {})).rejects.toEqual(code('PROGRAM_UNKNOWN'))
      const tokens = array(1, 2, 3, 4)
      for (const bad of [-1, 2]) {
        const run = session.run('picking', { tokens, indices: Int32Array.of(0, bad, 1) })
        await expect(run).rejects.toEqual(code('INDEX_RANGE'))
      }
      expect([...(await session.readState()).values()].every((values) => values.every((value) => value === 0))).toBe(
        true,
      )
      const { picked } = await session.run('picking', { tokens, indices: Int32Array.of(1, 0, 1) })
      expect([...picked]).toEqual([3, 4, 1, 2, 3, 4])
    })
  })

  test('state values are checked before any of them is written', async () => {
    await withStep(await engine(), async (session) => {
      const w = array(1, 2, 3)
      const unknown = new Map(Object.entries({ w, elsewhere: w }))
      await expect(session.writeState(unknown)).rejects.toEqual(code('STATE_UNKNOWN'))
      const short = new Map(Object.entries({ w, 'w.m': array(1) }))
      await expect(session.writeState(short)).rejects.toEqual(code('SHAPE_MISMATCH'))
      await expect(session.readState(['w', 'elsewhere'])).rejects.toEqual(code('STATE_UNKNOWN'))
      expect(await readOne(session, 'w')).toEqual([0, 0, 0])
    })
  })

  test('one caller at a time', async () => {
    await withStep(await engine(), async (session) => {
      const running = session.run('step', { x: array(1, 2, 3), ...rates })
      await expect(session.run('doubled', {})).rejects.toEqual(code('ENGINE_BUSY'))
      expect(await running).toHaveProperty('loss')
      expect(await session.run('doubled', {})).toHaveProperty('doubled')
      // A failed run does not leave the session busy.
      await expect(session.run('step', {})).rejects.toEqual(code('INPUT_MISSING'))
      expect(await session.run('doubled', {})).toHaveProperty('doubled')
    })
  })

  test('closing waits for a run, may be repeated, and ends the session', async () => {
    const session = await (await engine()).open([step('step'), doubled()])
    const running = session.run('doubled', {})
    const closing = session.close()
    expect(await running).toHaveProperty('doubled')
    await closing
    await session.close()
    await expect(session.run('doubled', {})).rejects.toEqual(code('ENGINE_CLOSED'))
    await expect(session.readState()).rejects.toEqual(code('ENGINE_CLOSED'))
  })

  test('sessions do not share state', async () => {
    const opened = await engine()
    await withStep(opened, async (one) => {
      await withStep(opened, async (other) => {
        await one.writeState(new Map([['w', array(1, 2, 3)]]))
        expect(await readOne(other, 'w')).toEqual([0, 0, 0])
      })
      expect(await readOne(one, 'w')).toEqual([1, 2, 3])
    })
  })

  test('memory counts at least the state', async () => {
    await withStep(await engine(), async (session) => {
      const { state, workspace } = await session.memory()
      expect(state).toBeGreaterThanOrEqual(9 * 4)
      expect(workspace).toBeGreaterThanOrEqual(0)
    })
  })

  test('programs that do not fit together are refused', async () => {
    const opened = await engine()
    const other = new Graph('other')
    const program = other.build({ y: scale(other.state('w', [4]), 2) })
    await expect(opened.open([step('step'), program])).rejects.toEqual(code('SHAPE_MISMATCH'))
    await expect(opened.open([step('step'), step('step')])).rejects.toEqual(code('NAME_TAKEN'))
    const unknown = { ...program, nodes: program.nodes.map((node) => ({ ...node, operation: 'fold' })) }
    await expect(opened.open([unknown])).rejects.toEqual(code('PROGRAM_UNSUPPORTED'))
  })
})

/** Returns an input, a constant's double and nothing else. */
function echo(): Program {
  const graph = new Graph('echo')
  const c = graph.constant([], array(4))
  return graph.build({ x: graph.input('x', [2]), c: add(c, c) })
}

/** Tokens [1, 2, 2] picked by three indices. */
function picking(): Program {
  const graph = new Graph('picking')
  const picked = gatherTokens(graph.input('tokens', [1, 2, 2]), graph.input('indices', [1, 3], 'int32'))
  return graph.build({ picked })
}
