import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { VideoMaeError } from './errors.ts'
import { makeFolder, makeTemporaryFolder } from './make-folder.ts'

const root = folderForTests('videomae-make-folder-')
afterEach(() => vi.unstubAllEnvs())
const inFolder = (...names: string[]): string => path.join(root, ...names)

function refused(folder: string, make: (folder: string) => unknown = makeFolder): VideoMaeError {
  try {
    make(folder)
  } catch (error) {
    if (error instanceof VideoMaeError) return error
    throw error
  }
  throw new Error(`Expected ${folder} to be refused.`)
}

test('makes parents and returns the first folder that was missing', () => {
  expect(makeFolder(inFolder('a', 'b', 'c'))).toBe(inFolder('a'))
  expect(makeFolder(path.relative('.', inFolder('a', 'b', 'd', '..', 'e')))).toBe(inFolder('a', 'b', 'e'))
  expect(makeFolder(inFolder('a', 'b', 'c'))).toBeNull()
  mkdirSync(inFolder('real'))
  symlinkSync(inFolder('real'), inFolder('link'))
  expect(makeFolder(inFolder('link', 'x'))).toBe(inFolder('link', 'x'))
  expect(existsSync(inFolder('real', 'x'))).toBe(true)
})

test.skipIf(!existsSync('/proc/self'))(
  'ends where a file system makes no folders and says that the parent is missing',
  () => {
    const error = refused('/proc/nope/deeper')
    expect(error).toMatchObject({ code: 'SYSTEM_ERROR', exit: 'environment' })
    expect(error.message).toBe(
      'Expected to make the folder /proc/nope/deeper, but the file system of /proc makes no folders.',
    )
    expect(error.hint).toContain('another file system')
  },
)

test('names the file or the link that is in the way', () => {
  writeFileSync(inFolder('file'), '')
  expect(refused(inFolder('file', 'x', 'y')).message).toContain(`but ${inFolder('file')} is a file.`)
  expect(refused(inFolder('file')).hint).toContain('a file, not a folder')
  symlinkSync(inFolder('nowhere'), inFolder('dangling'))
  for (const folder of [inFolder('dangling'), inFolder('dangling', 'x')]) {
    const { message, hint } = refused(folder)
    expect(message).toContain(`but ${inFolder('dangling')} is a link to a folder that does not exist.`)
    expect(hint).toContain('Remove the link')
  }
  symlinkSync('circle', inFolder('circle'))
  expect(refused(inFolder('circle', 'x')).message).toContain('a link to a folder that does not exist')
})

test('leaves nothing where it fails', () => {
  const before = readdirSync(root)
  const error = refused(inFolder('new', 'x'.repeat(300), 'y'))
  expect(error.message).toContain('ENAMETOOLONG')
  expect(error.hint).toBe('Choose a shorter path.')
  expect(refused(inFolder(...Array.from({ length: 30 }, () => 'z'.repeat(200)))).message).toContain('ENAMETOOLONG')
  expect(readdirSync(root)).toEqual(before)
})

test('refuses a blank path', () => {
  expect(refused(' ').code).toBe('INVALID_ARGUMENT')
})

test('makes temporary folders where TMPDIR says', () => {
  vi.stubEnv('TMPDIR', root)
  const [one, two] = [makeTemporaryFolder('test'), makeTemporaryFolder('test')]
  expect(one).not.toBe(two)
  for (const folder of [one, two]) {
    expect(path.dirname(folder)).toBe(root)
    expect(path.basename(folder)).toMatch(/^videomae-test-/)
    expect(readdirSync(folder)).toEqual([])
  }
})

test.each(['nothing', 'file'])('says that TMPDIR is no folder: %s', (name) => {
  writeFileSync(inFolder('file'), '')
  vi.stubEnv('TMPDIR', inFolder(name))
  const error = refused('test', makeTemporaryFolder)
  expect(error).toMatchObject({ code: 'SYSTEM_ERROR', exit: 'environment' })
  expect(error.message).toBe(`Expected to make a temporary folder in ${inFolder(name)}, but there is no such folder.`)
  expect(error.hint).toBe('Set the variable TMPDIR to a folder in which you can write.')
})

test.skipIf(!existsSync('/proc/self'))('says why the system refuses a temporary folder', () => {
  vi.stubEnv('TMPDIR', '/proc')
  const error = refused('test', makeTemporaryFolder)
  expect(error.message).toMatch(
    /^Expected to make a temporary folder in \/proc, but the operating system refused it: E\w+: /,
  )
  expect(error.hint).toContain('TMPDIR')
})
