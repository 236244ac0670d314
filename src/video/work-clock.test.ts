import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { idleFactor, WorkClock } from './work-clock.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Starts a clock with a limit of 10 s over work that gets `share` of a processor. @returns seconds until it is stopped, and what is said */
async function stoppedAfter(
  share: number | undefined,
  most = 10_000,
): Promise<{ seconds: number; what: string } | null> {
  const began = Date.now()
  const passed = (): number => (Date.now() - began) / 1000
  let stopped: { seconds: number; what: string } | null = null
  const clock = new WorkClock(() => (share === undefined ? undefined : 7 + share * passed()))
  clock.start(10, share === undefined ? undefined : 7, (what) => {
    stopped = { seconds: passed(), what }
  })
  await vi.advanceTimersByTimeAsync(most * 1000)
  clock.stop()
  return stopped
}

test('work that computes is stopped when it has used its processor time, however long that takes on a busy machine', async () => {
  expect((await stoppedAfter(1))?.seconds).toBeCloseTo(10, 0)
  const busy = await stoppedAfter(0.01)
  expect(busy?.seconds).toBeGreaterThan(999)
  expect(busy?.seconds).toBeLessThan(1002)
  expect(busy?.what).toBe('used 10 s of CPU time')
  expect(await stoppedAfter(0.01, 990)).toBeNull()
})

test('work that stands still is stopped later', async () => {
  expect(await stoppedAfter(0)).toEqual({ seconds: 10 * idleFactor, what: `did nothing for ${10 * idleFactor} s` })
})

test('where processor time is not known, much more time may pass', async () => {
  expect(await stoppedAfter(undefined)).toEqual({ seconds: 10 * idleFactor, what: `took ${10 * idleFactor} s` })
})

test('a clock that was stopped says nothing', async () => {
  const onLimit = vi.fn()
  const clock = new WorkClock(() => undefined)
  clock.start(1, undefined, onLimit)
  clock.stop()
  await vi.advanceTimersByTimeAsync(1e6)
  expect(onLimit).not.toHaveBeenCalled()
})
