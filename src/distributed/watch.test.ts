import { afterEach, expect, test, vi } from 'vitest'
import type { VideoMaeError } from '../core/errors.ts'
import { Watch } from './watch.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** A watch of 10 s over a clock of its own. */
function watched() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  const state = { call: null as number | null, ended: [] as VideoMaeError[] }
  const sums = new Int32Array(1)
  const watch = new Watch({
    ...{ seconds: 10, rank: 1, size: 2, sums },
    unanswered: () => state.call,
    end: (error) => state.ended.push(error),
  })
  return { state, sums, watch }
}

test('a call that has no answer in time ends the rank, and the error names who it waits for', () => {
  const { state, watch } = watched()
  watch.others = 'rank 0 on node7'
  state.call = 3
  vi.advanceTimersByTime(9_000)
  expect(state.ended).toEqual([])
  vi.advanceTimersByTime(20_000)
  expect(
    state.ended.map(({ code, message }) => [code, /rank 1 of 2 on \S+ still waits for rank 0 on node7/.test(message)]),
  ).toEqual([['RANKS_SILENT', true]])
})

test('a sum inside of a step counts too', () => {
  const { state, sums } = watched()
  sums[0] = 7
  vi.advanceTimersByTime(12_000)
  expect(state.ended).toHaveLength(1)
})

test('time between calls, and calls that are answered, do not count', () => {
  const { state, sums } = watched()
  vi.advanceTimersByTime(60_000)
  for (let call = 1; call < 10; call++) {
    state.call = call
    vi.advanceTimersByTime(8_000)
    sums[0] += 2
  }
  expect(state.ended).toEqual([])
})
