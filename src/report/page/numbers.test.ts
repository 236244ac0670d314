import { expect, test } from 'vitest'
import { bytes, counted, countText, interval, percentText, significant } from './numbers.ts'

test('shares that are not whole never look whole', () => {
  expect([0, 0.0001, 0.333, 0.9996, 1].map(percentText)).toEqual(['0 %', '< 0.1 %', '33.3 %', '> 99.9 %', '100 %'])
  expect(interval({ low: 0.0561, high: 1 })).toBe('5.6 to 100.0 %')
})

test('counts and sizes', () => {
  expect([countText(24_000), counted(1, 'class', 'classes'), counted(2, 'class', 'classes')]).toEqual([
    ...['24,000', '1 class', '2 classes'],
  ])
  expect([0, 999, 1500, 284_000_000, 12_345_678_901].map(bytes)).toEqual([
    '0 bytes',
    '999 bytes',
    '1.5 kB',
    '284 MB',
    '12.3 GB',
  ])
})

test('significant digits', () => {
  expect([0, 0.85949, 123.456, 0.00002, 12_345_678, -1.5].map((value) => significant(value))).toEqual([
    ...['0', '0.859', '123', '2.00e-5', '1.23e+7', '-1.5'],
  ])
})
