/** Oracle: the rule itself: remove what is bad from its position on, then cut the rest into steps. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { type BadFile, EpochOrder } from './epoch-order.ts'
import type { VideoEntry } from './types.ts'

const entriesOf = (n: number): VideoEntry[] =>
  Array.from({ length: n }, (_, i) => ({ path: `${i}.mp4`, id: `${i}.mp4` }))
const bad = (path: string, epoch: number, position: number): BadFile => ({
  path,
  id: path,
  reason: '',
  code: 'X',
  epoch,
  position,
})

test('an epoch visits every entry once, in an order of its own', () => {
  const order = new EpochOrder(entriesOf(50), 7, 4, [])
  const epochs = [0, 1, 2].map((epoch) => [...order.usable(epoch)].map((position) => order.entryAt(epoch, position)))
  for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(epochs[0]).not.toEqual(epochs[1])
  expect(order.startOfStep(12)).toEqual({ epoch: 1, offset: 0 })
  expect(order.startOfStep(30)).toEqual({ epoch: 2, offset: 24 })
})

test('steps are where walking through all of them puts them, whatever turns out bad on the way', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 6, max: 30 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.record({ entry: fc.nat({ max: 5 }), epoch: fc.nat({ max: 3 }) }), { maxLength: 3 }),
      (n, perStep, faults) => {
        // Walk position by position; a file fails from its first visit in the drawn epoch on.
        const entries = entriesOf(n)
        const walk = new EpochOrder(entries, 3, perStep, [])
        const records: BadFile[] = []
        const starts: { epoch: number; offset: number; first: number }[] = []
        for (let epoch = 0; epoch < 6; epoch++) {
          const good: number[] = []
          for (let position = 0; position < n; position++) {
            const entry = walk.entryAt(epoch, position)
            const fails = faults.some((f) => f.entry === entry && epoch >= f.epoch)
            if (!fails) good.push(entry)
            else if (!records.some((r) => r.path === `${entry}.mp4`)) records.push(bad(`${entry}.mp4`, epoch, position))
          }
          for (let at = 0; at + perStep <= good.length; at += perStep)
            starts.push({ epoch, offset: at, first: good[at] })
        }
        const order = new EpochOrder(entries, 3, perStep, records)
        for (const [step, { epoch, offset, first }] of starts.entries()) {
          expect(order.startOfStep(step)).toEqual({ epoch, offset })
          expect(order.entryAt(epoch, order.usable(epoch)[offset])).toBe(first)
        }
      },
    ),
    { seed: 20261122, numRuns: 100 },
  )
})

test('a bad file takes all its parts with it, a bad part only itself', () => {
  const entries = ['0-1', '1-2', '2-3', '3-4'].map((part) => ({ path: 'a.mp4', id: `a.mp4#${part}` }))
  const order = new EpochOrder(entries, 1, 1, [])
  order.note({ ...bad('a.mp4', 0, 0), id: entries[2].id, code: 'VIDEO_PART_EMPTY' })
  expect(order.usable(1)).toHaveLength(3)
  order.note(bad('a.mp4', 0, 1))
  expect(order.usable(1)).toHaveLength(0)
  expect(() => order.requireEnough(0)).toThrow(VideoMaeError)
})
