import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { executables } from './executables.ts'

const folder = folderForTests('videomae-executables-')

test('are files that can be started, in the order of PATH, and no folders', () => {
  const [first, second, third] = ['1', '2', '3'].map((name) => path.join(folder, name))
  for (const location of [first, second, third]) mkdirSync(location)
  mkdirSync(path.join(first, 'cc'))
  for (const location of [second, third]) {
    writeFileSync(path.join(location, 'cc'), '')
    chmodSync(path.join(location, 'cc'), 0o755)
  }
  writeFileSync(path.join(second, 'text'), '', { mode: 0o644 })
  const searched = [first, second, '', third].join(path.delimiter)
  expect(executables('cc', searched)).toEqual([path.join(second, 'cc'), path.join(third, 'cc')])
  expect(executables('text', searched)).toEqual([])
  expect(executables('', searched)).toEqual([])
  expect(executables(path.join(third, 'cc'), '')).toEqual([path.join(third, 'cc')])
  expect(executables(path.join(first, 'cc'), '')).toEqual([])
})
