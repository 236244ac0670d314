/** A version of Node.js that is too old is refused by the program and by the library, before anything newer is loaded. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { nodeProblem, oldestNode } from '../../src/core/node-version.ts'

const main = fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))
const root = path.join(import.meta.dirname, '../..')

/** Runs Node.js as if it were version 18. */
function asNode18(...args: readonly string[]) {
  const claim = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })"
  const preload = `data:text/javascript,${encodeURIComponent(claim)}`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', preload, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('nodeProblem', () => {
  test('is the version that package.json asks for', () => {
    const { engines } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      engines: { node: string }
    }
    expect(engines.node).toBe(`>=${oldestNode}`)
  })

  test.each(['20.19.0', '20.20.2', '22.0.0', '100.1.0'])('accepts %s', (version) => {
    expect(nodeProblem(version)).toBeNull()
  })

  test.each(['20.18.3', '18.20.4', '4.0.0'])('refuses %s', (version) => {
    expect(nodeProblem(version)).toBe(`Expected Node.js ${oldestNode} or later, but this is ${version}.`)
  })
})

describe('an old version of Node.js', () => {
  test.each([['doctor'], ['--help'], ['pretrain', 'videos']])('is refused by videomae %s', (...args) => {
    expect(asNode18(main, ...args)).toEqual({
      status: 4,
      stdout: '',
      stderr: expect.stringMatching(
        /^videomae: Expected Node\.js 20\.19 or later, but this is 18\.20\.4\. \[NODE_TOO_OLD\]\n/,
      ),
    })
  })

  test('is refused as JSON where that is asked for', () => {
    const { status, stdout } = asNode18(main, 'doctor', '--json')
    expect([status, JSON.parse(stdout)]).toMatchObject([4, { error: { code: 'NODE_TOO_OLD' } }])
  })

  test('is refused by the library', () => {
    const library = pathToFileURL(path.join(root, 'dist/index.js')).href
    const { status, stdout } = asNode18(
      '--input-type=module',
      '-e',
      `import(${JSON.stringify(library)}).catch((error) => console.log(error.code))`,
    )
    expect([status, stdout]).toEqual([0, 'NODE_TOO_OLD\n'])
  })
})

test.each(['cli/main.js', 'core/node-version.js'])(
  '%s is read by old versions: syntax of 2015, no other imports',
  (file) => {
    const text = readFileSync(path.join(root, 'dist', file), 'utf8').replaceAll(
      /\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g,
      '',
    )
    expect(text).not.toMatch(/\?\.|\?\?|\*\*|\.\.\.|\bawait\b|\basync\b|\bclass\b|catch \{|#[a-z]|\d_\d/)
    expect(text.match(/^import\b/gm) ?? []).toHaveLength(file === 'cli/main.js' ? 1 : 0)
  },
)
