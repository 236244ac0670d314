import { expect, test } from 'vitest'
import type { ValueHome } from '../../plan/values.ts'
import type { Step } from './schedule.ts'
import { sumsAhead } from './sums-ahead.ts'

const copy = (from: number, to: number): Step => ({ kind: 'copy', label: `${from} to ${to}`, from, to, bytes: 4 })
const join: Step = { kind: 'join', label: 'reduce' }
const sum = (...values: number[]): Step => ({
  kind: 'sum',
  label: 'reduce',
  pieces: values.map((value) => ({ value, count: 10 })),
})
const homes = (count: number, views: Readonly<Record<number, number>> = {}): { readonly home: ValueHome }[] =>
  Array.from({ length: count }, (_, i) => ({
    home: i in views ? { kind: 'view', of: views[i], offset: 0 } : { kind: 'arena' },
  }))
const shown = (steps: readonly Step[]) =>
  steps.map((step) =>
    step.kind === 'sum' ? step.pieces.map(({ value }) => value) : step.kind === 'join' ? 'join' : step.label,
  )

// 0 is an activation, 1 to 3 are gradients, which the backward pass finishes in the order 3, 1, 2.
const backward = [copy(0, 3), copy(0, 1), copy(1, 0), copy(0, 2)]

test('sums each bucket behind the last step that touches it, in the order of the backward pass', () => {
  const steps = [...backward, sum(1, 2, 3), join, copy(1, 0)]
  expect(shown(sumsAhead(steps, homes(4), 40))).toEqual([
    '0 to 3',
    [3],
    '0 to 1',
    '1 to 0',
    [1],
    '0 to 2',
    [2],
    'join',
    '1 to 0',
  ])
  expect(shown(sumsAhead(steps, homes(4), 80))).toEqual([
    '0 to 3',
    '0 to 1',
    '1 to 0',
    [3, 1],
    '0 to 2',
    [2],
    'join',
    '1 to 0',
  ])
  expect(shown(sumsAhead(steps, homes(4)))).toEqual([...shown(backward), [3, 1, 2], 'join', '1 to 0'])
})

test('waits for a step that touches a gradient as a part of another value, or that has parts of it', () => {
  // 4 is a part of 3: what the last step writes is not finished before.
  const steps = [...backward, copy(0, 4), sum(1, 2, 3), join]
  expect(shown(sumsAhead(steps, homes(5, { 4: 3 }), 40))).toEqual([
    ...['0 to 3', '0 to 1', '1 to 0', [1], '0 to 2', [2], '0 to 4', [3], 'join'],
  ])
})

test('leaves a program without a sum as it is, and sums first what no step touches', () => {
  expect(sumsAhead(backward, homes(4))).toEqual(backward)
  expect(shown(sumsAhead([copy(0, 1), sum(2), join], homes(3)))).toEqual([[2], '0 to 1', 'join'])
})
