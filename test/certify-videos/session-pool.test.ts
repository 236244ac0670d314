import { beforeEach, describe, expect, test, vi } from 'vitest'
import { SessionPool } from '../../src/certify/videos/learners/session-pool.ts'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { onnxEngine } from '../../src/engine/onnx/index.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { buildHeadProgram } from '../../src/model/classify.ts'

const programs = (batch: number) =>
  buildHeadProgram({ head: 'linear', batch, width: 3, classes: 2, optimizer: { beta2: 0.999 } }).programs

/** Counts what reaches the engine. */
function counting(engine: Engine) {
  const counts = { opened: 0, closed: 0 }
  const counted: Engine = {
    name: engine.name,
    probe: () => engine.probe(),
    async open(...args) {
      counts.opened++
      const session = await engine.open(...args)
      const close = session.close.bind(session)
      session.close = () => {
        counts.closed++
        return close()
      }
      return session
    },
  }
  return { counts, counted }
}

describe.each([
  ['reference', referenceEngine],
  ['onnx', onnxEngine],
] as const)('sessions of the %s engine', (_, engine) => {
  let pool: SessionPool
  let counts: ReturnType<typeof counting>['counts']
  let pooled: Engine
  beforeEach(() => {
    pool = new SessionPool()
    const { counts: fresh, counted } = counting(engine)
    counts = fresh
    pooled = pool.engine(counted)
  })

  /** Three steps from weights that follow from `seed`: every state afterwards. */
  async function train(with_: Engine, batch: number, seed: number): Promise<[string, number[]][]> {
    const session = await with_.open(programs(batch), { threads: 1 })
    const [{ name }] = programs(batch)
    await session.writeState(new Map([['head.weight', Float32Array.from({ length: 6 }, (_, i) => seed + i)]]))
    for (let step = 1; step <= 3; step++) {
      const features = Float32Array.from({ length: 3 * batch }, (_, i) => Math.sin(seed * i + step))
      const targets = Float32Array.from({ length: 2 * batch }, (_, i) => (i + seed + 1) % 2)
      const [learningRate, weightDecay] = [Float32Array.of(0.1), Float32Array.of(0.05)]
      await session.run(name, { features, targets, learningRate, weightDecay, step: Float32Array.of(step) })
    }
    const state = [...(await session.readState())].map(([key, value]): [string, number[]] => [key, [...value]])
    await session.close()
    return state
  }

  test('are taken over with nothing of what was there before', async () => {
    const alone = await train(engine, 2, 7)
    expect(alone.flatMap(([, values]) => values).some((value) => value !== 0 && value !== 7)).toBe(true)
    await train(pooled, 2, 1)
    await train(pooled, 2, 30)
    expect(await train(pooled, 2, 7)).toEqual(alone)
    expect(counts).toEqual({ opened: 1, closed: 0 })
    await pool.close()
    expect(counts.closed).toBe(1)
  })

  test('are of exactly the programs and options that are asked for', async () => {
    expect(await train(pooled, 2, 5)).not.toEqual(await train(pooled, 3, 5))
    expect(counts.opened).toBe(2)
    const session = await pooled.open(programs(2), { threads: 2 })
    expect(counts.opened).toBe(3)
    await session.close()
    await pool.close()
    expect(counts.closed).toBe(3)
  })

  test('are found whatever V8 holds the numbers of a program as', async () => {
    const [program] = programs(2)
    const tensors = program.tensors.map(({ shape, dtype }) => {
      const doubles = [1.5, ...shape].slice(1) // whole numbers in an array of doubles
      return { shape: doubles, dtype }
    })
    await (await pooled.open([program])).close()
    await (await pooled.open([{ ...program, tensors }])).close()
    expect(counts.opened).toBe(1)
    await pool.close()
  })

  test('are one each for those who work at the same time, and are not used after a failure', async () => {
    const both = [await pooled.open(programs(2)), await pooled.open(programs(2))]
    expect(counts.opened).toBe(2)
    await expect(both[0].run('nothing of this name', {})).rejects.toMatchObject({ code: 'PROGRAM_UNKNOWN' })
    await both[0].close()
    expect(counts.closed).toBe(1)
    await both[1].close()
    await expect(both[1].readState()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
    await both[1].close()
    const next = await pooled.open(programs(2))
    expect(counts).toEqual({ opened: 2, closed: 1 })
    await pool.close()
    expect(counts.closed).toBe(1)
    await next.close()
    expect(counts.closed).toBe(2)
  })

  test('are closed when their state cannot be emptied', async () => {
    const sessions: EngineSession[] = []
    const refusing = pool.engine({
      ...engine,
      async open(...args) {
        const session = await pooled.open(...args)
        sessions.push(session)
        return session
      },
    })
    await (await refusing.open(programs(2))).close()
    const [only] = sessions
    only.writeState = () => Promise.reject(new Error('no memory'))
    const closing = vi.spyOn(only, 'close')
    await expect(refusing.open(programs(2))).rejects.toThrow('no memory')
    expect(closing).toHaveBeenCalledOnce()
    await pool.close()
  })

  test('are kept open in small numbers', async () => {
    for (let batch = 1; batch <= 10; batch++) await (await pooled.open(programs(batch))).close()
    expect(counts).toEqual({ opened: 10, closed: 2 })
    await pool.close()
    expect(counts.closed).toBe(10)
  })
})
