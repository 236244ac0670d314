import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { invocation } from './invocation.ts'

const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'videomae-invocation-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const script = path.join(folder, 'package', 'dist', 'cli', 'main.js')
const bin = path.join(folder, 'node_modules', '.bin')
const global = path.join(folder, 'global')
for (const location of [path.dirname(script), bin, global]) mkdirSync(location, { recursive: true })
writeFileSync(script, '')
for (const location of [bin, global]) symlinkSync(script, path.join(location, 'videomae'))

describe('invocation', () => {
  const workingFolder = path.join(folder, 'package')

  test.each<[string, Record<string, string>, string]>([
    ['nothing is on the path', { PATH: `/nowhere${path.delimiter}` }, 'node dist/cli/main.js'],
    ['it is installed for all', { PATH: `/nowhere${path.delimiter}${global}` }, 'videomae'],
    ['npx has started it', { PATH: bin, npm_command: 'exec' }, 'npx videomae'],
    ['a script of npm has started it', { PATH: bin, npm_command: 'run-script' }, 'node dist/cli/main.js'],
    [
      'a script of npm has started it, and it is installed',
      { PATH: `${bin}${path.delimiter}${global}`, npm_command: 'run-script' },
      'videomae',
    ],
  ])('where %s', (_, env, expected) => {
    expect(invocation({ script, env, workingFolder }).replaceAll(path.sep, '/')).toBe(expected)
  })

  test('names another program of that name only by its path', () => {
    const other = path.join(folder, 'other')
    mkdirSync(other)
    writeFileSync(path.join(other, 'videomae'), '')
    expect(invocation({ script, env: { PATH: other }, workingFolder: os.homedir() })).toBe(`node ${script}`)
  })
})
