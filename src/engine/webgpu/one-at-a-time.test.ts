import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Engine } from '../engine.ts'
import { oneAtATime } from './one-at-a-time.ts'

/** An engine whose calls note how many of them are under way. */
function noting(): { readonly engine: Engine; readonly most: () => number; readonly calls: string[] } {
  const calls: string[] = []
  let [now, most] = [0, 0]
  const call = async <T>(name: string, result: T): Promise<T> => {
    calls.push(name)
    most = Math.max(most, ++now)
    await wait(1)
    now--
    if (name === 'run bad') throw new Error('bad')
    return result
  }
  const engine: Engine = {
    name: 'noting',
    probe: async () => ({ available: true, detail: '' }),
    open: () =>
      call('open', {
        engine: 'noting',
        variant: null,
        run: (program: string) => call(`run ${program}`, {}),
        readState: () => call('readState', new Map()),
        writeState: () => call('writeState', undefined),
        memory: () => call('memory', null as never),
        close: () => call('close', undefined),
      }),
  }
  return { engine, most: () => most, calls }
}

test('calls of all sessions take turns, in their order, also after one that fails', async () => {
  const { engine, most, calls } = noting()
  const turning = oneAtATime(engine)
  const [a, b] = await Promise.all([turning.open([]), turning.open([])])
  const failed = expect(a.run('bad', {})).rejects.toThrow('bad')
  await Promise.all([failed, b.writeState(new Map())])
  await Promise.all([a.readState(), b.run('x', {})])
  await Promise.all([b.memory(), a.close(), b.close()])
  expect(most()).toBe(1)
  expect(calls).toEqual(['open', 'open', 'run bad', 'writeState', 'readState', 'run x', 'memory', 'close', 'close'])
  await expect(a.memory()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  expect([a.prefetch, a.cancel]).toEqual([undefined, undefined])
})

test('a second call of one session is refused, and does not wait', async () => {
  const session = await oneAtATime(noting().engine).open([])
  const first = session.run('x', {})
  await expect(session.memory()).rejects.toMatchObject({ code: 'ENGINE_BUSY' })
  await first
})

test('without turns they are under way together', async () => {
  const { engine, most } = noting()
  const [a, b] = await Promise.all([engine.open([]), engine.open([])])
  await Promise.all([a.close(), b.close()])
  expect(most()).toBe(2)
})
