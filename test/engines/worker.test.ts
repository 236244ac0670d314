import { afterEach, describe, expect, test, vi } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import type { Attachment } from '../../src/distributed/communicator.ts'
import type { Engine, EngineOptions, EngineSession } from '../../src/engine/engine.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { threadedEngine } from '../../src/engine/worker/host.ts'
import { Graph } from '../../src/graph/graph.ts'
import { scale } from '../../src/graph/operations/elementwise.ts'
import type { Program } from '../../src/graph/program.ts'

/** A session as a module without imports: what it does on `run` is named by the program it is asked for. */
const scripted = `
let opened = 0
const failure = Object.assign(new Error('expected this'), {})
export const engine = {
  name: 'scripted',
  async open(programs, options) {
    if (options.device === 'absent') throw failure
    let calls = 0
    let announced = null
    opened++
    let stop = () => {}
    return {
      engine: 'scripted',
      async prefetch(program, inputs) {
        if (program === 'throw') throw failure
        announced = inputs
      },
      cancel() { stop() },
      async run(program, inputs) {
        calls++
        if (program === 'endless') return new Promise((_, reject) => { stop = () => reject(failure) })
        if (program === 'throw') throw failure
        if (program === 'exit') process.exit(7)
        if (program === 'crash') { setImmediate(() => { throw failure }); return new Promise(() => {}) }
        if (program === 'opened') return { opened: Float32Array.of(opened) }
        if (program === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
        if (program === 'announced') {
          await new Promise((resolve) => setTimeout(resolve, 50))
          const same = Object.keys(inputs).filter((name) => announced?.[name] === inputs[name])
          return { same: Float32Array.from(same.flatMap((name) => [...inputs[name]])), calls: Float32Array.of(calls) }
        }
        if (program === 'kind') return { shared: Float32Array.of(inputs.x.buffer instanceof SharedArrayBuffer ? 1 : 0) }
        const same = Float32Array.from(inputs.x ?? [])
        return { same, again: same, calls: Float32Array.of(calls) }
      },
      async readState() { return new Map([['a', Float32Array.of(1, 2)]]) },
      async writeState(values) { if (!(values.get('a') instanceof Float32Array)) throw failure },
      async memory() { return { state: 8, workspace: 0 } },
      async close() {},
    }
  },
}`

function scriptedEngine(): Engine {
  return threadedEngine({
    engine: { ...referenceEngine, name: 'scripted' },
    module: () => new URL(`data:text/javascript,${encodeURIComponent(scripted)}`),
    exportName: 'engine',
  })
}

function threadedReference(): Engine {
  return threadedEngine({
    engine: referenceEngine,
    module: () => compiledEntry(new URL('../../src/engine/reference/index.ts', import.meta.url).href, './index'),
    exportName: 'referenceEngine',
  })
}

const sessions: EngineSession[] = []
async function open(): Promise<EngineSession> {
  const graph = new Graph('any')
  const session = await scriptedEngine().open([graph.build({ y: scale(graph.state('a', [2]), 1) })])
  sessions.push(session)
  return session
}
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.close().catch(() => undefined)
})

describe('a session in a thread', () => {
  test('forwards every call', async () => {
    const session = await open()
    expect(session.engine).toBe('scripted')
    const x = Float32Array.of(1, 2, 3)
    const outputs = await session.run('any', { x })
    expect(outputs).toEqual({
      same: Float32Array.of(1, 2, 3),
      again: Float32Array.of(1, 2, 3),
      calls: Float32Array.of(1),
    })
    expect(x, 'the input stays with its owner').toEqual(Float32Array.of(1, 2, 3))
    expect(await session.readState()).toEqual(new Map([['a', Float32Array.of(1, 2)]]))
    await session.writeState(new Map([['a', Float32Array.of(3, 4)]]))
    expect(await session.memory()).toEqual({ state: 8, workspace: 0 })
  })

  test('hands inputs in shared memory over without a copy, and copies views of pooled memory alone', async () => {
    const session = await open()
    const shared = await session.run('kind', { x: new Float32Array(new SharedArrayBuffer(8)) })
    expect(shared.shared[0]).toBe(1)
    const pooled = Buffer.from([5, 6, 7])
    expect((await session.run('any', { x: pooled })).same).toEqual(Float32Array.of(5, 6, 7))
    expect([...pooled]).toEqual([5, 6, 7])
  })

  test('brings announced inputs to the thread next to a run, once, as the arrays that the run then gets', async () => {
    const session = await open()
    const [x, y, z] = [Float32Array.of(1, 2), Float32Array.of(3), Float32Array.of(4)]
    const running = session.run('announced', { x })
    await session.prefetch?.('announced', { y, z })
    const settled = running.then(() => 'settled')
    expect(await Promise.race([settled, 'under way'])).toBe('under way')
    expect((await running).same).toEqual(new Float32Array(0))
    // y is the announced array, z is not, x is new.
    const next = await session.run('announced', { x, y, z: Float32Array.of(4) })
    expect(next.same).toEqual(Float32Array.of(3))
    expect((await session.run('announced', { y })).same, 'an announcement serves one run').toEqual(new Float32Array(0))
  })

  test('cancels a run under way', async () => {
    const session = await open()
    const running = session.run('endless', {})
    session.cancel?.()
    await expect(running).rejects.toMatchObject({ message: 'expected this' })
    expect((await session.run('any', {})).calls[0]).toBe(2)
    await session.close()
    session.cancel?.()
  })

  test('reports an announcement that is refused, and closes behind one', async () => {
    const session = await open()
    await expect(session.prefetch?.('throw', {})).rejects.toMatchObject({ message: 'expected this' })
    expect((await session.run('any', {})).calls[0]).toBe(1)
    await session.close()
    await expect(session.prefetch?.('any', {})).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })

  test('leaves the event loop free while it works', async () => {
    const session = await open()
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    await session.run('sleep', {})
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
  })

  test('refuses a second caller', async () => {
    const session = await open()
    const first = session.run('sleep', {})
    await expect(session.run('any', {})).rejects.toMatchObject({ code: 'ENGINE_BUSY' })
    await first
    await session.close()
    await expect(session.run('any', {})).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })

  test('passes errors on and continues', async () => {
    const session = await open()
    const error = await session.run('throw', {}).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'VideoMaeError', message: 'expected this', code: 'ENGINE_FAILED' })
    expect((await session.run('any', {})).calls[0]).toBe(2)
  })

  test.each(['exit', 'crash'])('reports a thread that ends (%s), once and ever after', async (way) => {
    const session = await open()
    await expect(session.run(way, {})).rejects.toMatchObject({
      code: 'ENGINE_DIED',
      hint: expect.stringContaining('checkpoint'),
    })
    await expect(session.run('any', {})).rejects.toMatchObject({ code: 'ENGINE_DIED' })
    await expect(session.readState()).rejects.toMatchObject({ code: 'ENGINE_DIED' })
    await session.close()
  })

  test('fails to open with the reason of the engine', async () => {
    await expect(scriptedEngine().open([], { device: 'absent' })).rejects.toMatchObject({ message: 'expected this' })
  })
})

describe('the thread of a session that was closed', () => {
  const programOf = (length: number): Program => {
    const graph = new Graph('any')
    return graph.build({ y: scale(graph.state('a', [length]), 1) })
  }
  /** How many sessions its thread has served, itself included. */
  const served = async (engine: Engine, options: EngineOptions = {}, length = 2): Promise<number> => {
    const session = await engine.open([programOf(length)], options)
    try {
      return (await session.run('opened', {})).opened[0]
    } finally {
      await session.close()
    }
  }
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllEnvs()
  })

  test('serves the next one', async () => {
    const engine = scriptedEngine()
    const counts = []
    for (let i = 0; i < 3; i++) counts.push(await served(engine))
    expect(counts).toEqual([1, 2, 3])
    const open = await engine.open([programOf(2)])
    expect(await served(engine), 'next to one that is open').toBe(1)
    await open.close()
  })

  test('brings nothing of the last one along', async () => {
    const engine = scriptedEngine()
    const x = Float32Array.of(1)
    const first = await engine.open([programOf(2)])
    await first.prefetch?.('announced', { x })
    await first.close()
    const second = await engine.open([programOf(2)])
    expect((await second.run('announced', { x })).same).toEqual(new Float32Array(0))
    expect((await second.run('any', {})).calls[0]).toBe(2)
    await second.close()
  })

  test('ends where a call was refused', async () => {
    const engine = scriptedEngine()
    const refused = await engine.open([programOf(2)])
    await refused.run('throw', {}).catch(() => undefined)
    await refused.close()
    expect(await served(engine)).toBe(1)
  })

  test('ends where its state was large', async () => {
    const engine = scriptedEngine()
    expect([await served(engine, {}, 2 ** 24 + 1), await served(engine)]).toEqual([1, 1])
  })

  test('ends where it was one of several ranks', async () => {
    const engine = scriptedEngine()
    const alone: Attachment = { transport: 'self' }
    const two: Attachment = { transport: 'mpi', library: 'libmpi.so', size: 2 }
    expect([
      await served(engine, { ranks: alone }),
      await served(engine, { ranks: two }),
      await served(engine),
    ]).toEqual([1, 2, 1])
  })

  test('does not serve sessions of other environment variables', async () => {
    // On a busy machine more than the five seconds pass between two sessions.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const engine = scriptedEngine()
    await served(engine)
    vi.stubEnv('VIDEOMAE_NATIVE_LEVEL', 'scalar')
    expect(await served(engine)).toBe(1)
    vi.unstubAllEnvs()
    expect(await served(engine)).toBe(2)
  })

  test('ends after five seconds without one', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const engine = scriptedEngine()
    await served(engine)
    vi.advanceTimersByTime(4_900)
    expect(await served(engine)).toBe(2)
    vi.advanceTimersByTime(4_900)
    expect(await served(engine), 'the time begins anew').toBe(3)
    vi.advanceTimersByTime(5_100)
    expect(await served(engine)).toBe(1)
  })
})

describe('a real engine in a thread', () => {
  test('moves state larger than its staging buffer there and back', async () => {
    const graph = new Graph('large')
    const lengths = { a: 1_500_000, b: 3_000_000, c: 5, d: 700_000 }
    const states = Object.entries(lengths).map(([name, length]) => graph.state(name, [length]))
    const program = graph.build(Object.fromEntries(states.map((state, i) => [`y${i}`, state])))
    const session = await threadedReference().open([program])
    try {
      const values = new Map(
        Object.entries(lengths).map(([name, length], i) => [
          name,
          Float32Array.from({ length }, (_, k) => i + (k % 1000)),
        ]),
      )
      await session.writeState(values)
      for (const [name, read] of await session.readState())
        expect(Buffer.from(read.buffer).equals(Buffer.from(values.get(name)!.buffer)), name).toBe(true)
      await expect(session.writeState(new Map([['a', new Float32Array(3)]]))).rejects.toMatchObject({
        code: 'SHAPE_MISMATCH',
      })
      await expect(session.writeState(new Map([['z', new Float32Array(3)]]))).rejects.toMatchObject({
        code: 'STATE_UNKNOWN',
      })
    } finally {
      await session.close()
    }
  })

  test('keeps code, exit kind and hint of its errors', async () => {
    const graph = new Graph('double')
    const program = graph.build({ y: scale(graph.input('x', [2]), 2) })
    const session = await threadedReference().open([program])
    try {
      expect((await session.run('double', { x: Float32Array.of(1, 2) })).y).toEqual(Float32Array.of(2, 4))
      await expect(session.run('double', { x: new Int32Array(2) })).rejects.toMatchObject({
        code: 'INPUT_TYPE',
        hint: 'Pass a Float32Array.',
      })
    } finally {
      await session.close()
    }
  })
})
