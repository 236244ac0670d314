import { expect, test } from 'vitest'
import { invalidArgument } from './errors.ts'

test('an invalid argument is shown with its type, and one that is missing as nothing', () => {
  expect(invalidArgument('size', 'a number', '8').message).toBe('Expected a number for size but received "8" (string).')
  expect(invalidArgument('rule', 'dpa or roe', undefined).message).toBe(
    'Expected dpa or roe for rule but received nothing.',
  )
})
