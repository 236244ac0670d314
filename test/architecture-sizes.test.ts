/** No function is longer than 80 lines, no file longer than 400. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

const root = path.join(import.meta.dirname, '..')
const [mostLines, mostLinesOfFile] = [80, 400]

/** Path -> lines, for files of our own that someone reads. */
function sources(...folders: readonly string[]): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const folder of folders) {
    for (const entry of readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const file = path.posix.join(folder, entry.replaceAll(path.sep, '/'))
      if (/\.(m?[jt]s|py|c|h|cpp|cu|wgsl)$/.test(file) && !file.includes('node_modules/'))
        found.set(file, readFileSync(path.join(root, file), 'utf8').replace(/\n$/, '').split('\n'))
    }
  }
  return found
}

interface Node {
  readonly type?: string
  readonly start: number
  readonly end: number
  readonly body?: unknown
}

/** Functions with more lines than are allowed, from the first line of the signature to the closing brace. */
function longFunctions(file: string, lines: readonly string[]): string[] {
  const text = lines.join('\n')
  const lineOf = (position: number): number => text.slice(0, position).split('\n').length
  const found: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const node = value as Node
    // Too short to have so many lines: saves most of the visits.
    if (node.end - node.start < 2 * mostLines) return
    if (node.type?.includes('Function') === true && node.body != null) {
      const [first, last] = [lineOf(node.start), lineOf(node.end)]
      if (last - first + 1 > mostLines) found.push(`${file}:${first} has ${last - first + 1} lines`)
    }
    for (const part of Object.values(value)) visit(part)
  }
  visit(parseAst(text, { lang: 'ts' }, file))
  return found
}

test('functions have at most 80 lines, outside of tests', () => {
  const files = [...sources('src', 'scripts', 'examples')].filter(
    ([file, lines]) => lines.length > mostLines && /\.m?[jt]s$/.test(file) && !file.endsWith('.test.ts'),
  )
  expect(files.length).toBeGreaterThan(300)
  expect(files.flatMap(([file, lines]) => longFunctions(file, lines))).toEqual([])
})

test('files have at most 400 lines', () => {
  const files = [...sources('src', 'test', 'scripts', 'examples')]
  expect(files.length).toBeGreaterThan(1000)
  const long = files.filter(([, lines]) => lines.length > mostLinesOfFile)
  expect(long.map(([file, lines]) => `${file} has ${lines.length} lines`)).toEqual([])
})
