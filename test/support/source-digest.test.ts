/** Whether dist/ is of the sources: any change of what is built makes it old, a change of a test does not. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestFile, isBuilt, sourceDigest } from '../../scripts/support/source-digest.mjs'

let root = ''
const file = (name: string) => path.join(root, name)
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'videomae-digest-'))
  for (const folder of ['src/core', 'scripts', 'node_modules/typescript', 'dist'])
    mkdirSync(file(folder), { recursive: true })
  const built = ['src/index.ts', 'src/core/a.ts', 'src/core/kernel.c', 'tsconfig.json', 'tsconfig.build.json']
  for (const name of [...built, 'scripts/build.mjs', 'node_modules/typescript/package.json', 'src/core/a.test.ts'])
    writeFileSync(file(name), `// ${name}`)
  writeFileSync(file(`dist/${digestFile}`), sourceDigest(root))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test.each(['src/index.ts', 'src/core/a.ts', 'src/core/kernel.c', 'tsconfig.build.json', 'scripts/build.mjs'])(
  'a change of %s makes dist/ old, its return makes it new again',
  (name) => {
    expect(isBuilt(root)).toBe(true)
    const before = readFileSync(file(name))
    appendFileSync(file(name), ' ')
    expect(isBuilt(root)).toBe(false)
    writeFileSync(file(name), before)
    expect(isBuilt(root)).toBe(true)
  },
)

test('a file that is new, gone or has another name makes dist/ old', () => {
  writeFileSync(file('src/core/b.ts'), '')
  expect(isBuilt(root)).toBe(false)
  rmSync(file('src/core/b.ts'))
  expect(isBuilt(root)).toBe(true)
  renameSync(file('src/core/a.ts'), file('src/core/c.ts'))
  expect(isBuilt(root)).toBe(false)
})

test('a change of a test does not', () => {
  appendFileSync(file('src/core/a.test.ts'), ' ')
  expect(isBuilt(root)).toBe(true)
})

test('a dist/ that is not there, or of an earlier build script, is old', () => {
  rmSync(file(`dist/${digestFile}`))
  expect(isBuilt(root)).toBe(false)
  rmSync(file('dist'), { recursive: true })
  expect(isBuilt(root)).toBe(false)
})

test('the tests run what the sources say', () => {
  expect(isBuilt(path.resolve(import.meta.dirname, '../..'))).toBe(true)
})
