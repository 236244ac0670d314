import { expect, test } from 'vitest'
import { grouped } from './grouped.ts'

test('digits are grouped as the locale en-US groups them', () => {
  const values = [0, 7, 999, 1000, 12_345.4, 12_345.5, 999_999.7, 1_000_000, 2 ** 53 - 1, -1, -999, -1000, -1_234_567]
  const usual = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
  for (const value of values) expect(grouped(value)).toBe(usual.format(value))
})
