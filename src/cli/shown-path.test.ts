import path from 'node:path'
import { expect, test } from 'vitest'
import { shownPath } from './shown-path.ts'

test('shows what is below this folder by its path from here, and anything else by its whole path', () => {
  expect(shownPath(path.resolve('checkpoints/mine'))).toBe(path.join('checkpoints', 'mine'))
  expect(shownPath('.')).toBe('.')
  expect(shownPath('..mine')).toBe('..mine')
  expect(shownPath('..')).toBe(path.resolve('..'))
  expect(shownPath('../other/run')).toBe(path.resolve('../other/run'))
})
