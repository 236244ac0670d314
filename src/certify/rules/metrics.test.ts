import { expect, test } from 'vitest'
import { bestConstantAnswer, constantAnswerWarning, tabledRadii } from './metrics.ts'

test('the best constant answer is the most frequent class, of equal ones the first', () => {
  expect(bestConstantAnswer([1, 0, 1, 1])).toEqual({ class: 1, accuracy: 0.75 })
  expect(bestConstantAnswer(Int32Array.of(2, 1, 2, 1))).toEqual({ class: 1, accuracy: 0.5 })
})

test('an accuracy is compared with a constant answer: worse, not shown to be better, better', () => {
  const constant = { name: 'walk', accuracy: 0.684 }
  expect(constantAnswerWarning(0.526, constant, 38)).toBe(
    'right for 52.6 % without poison (95 %: 37.2 to 67.5 %): not better than always answering walk, which is right for 68.4 %',
  )
  expect(constantAnswerWarning(0.763, constant, 38)).toMatch(
    /^right for 76\.3 % without poison \(95 %: 6\d\.\d to 8\d\.\d %\): not shown to be better than always answering walk, /,
  )
  expect(constantAnswerWarning(0.763, constant, 1000)).toBeNull()
})

test('tables show few radii, up to a round one that is reached', () => {
  expect(tabledRadii(0)).toEqual([0, 1])
  expect(tabledRadii(4)).toEqual([0, 1, 2, 3])
  expect(tabledRadii(24)).toEqual([0, 1, 3, 5, 10, 20])
})
