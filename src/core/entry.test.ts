import { expect, test } from 'vitest'
import { threadOptions } from './entry.ts'

test.each([
  [['--input-type=module'], []],
  [['--input-type', 'module', '--preserve-symlinks'], ['--preserve-symlinks']],
  [
    ['--import', 'tsx', '--input-type=commonjs'],
    ['--import', 'tsx'],
  ],
])('a thread inherits %s as %s', (options, inherited) => expect(threadOptions(options)).toEqual(inherited))
