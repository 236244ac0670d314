/** The table of folders in dev/architecture.md is what the imports say. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const source = path.join(root, 'src')

/** The column `knows`: folder -> folders that it may import from; null: all. */
function documented(): Map<string, Set<string> | null> {
  const page = readFileSync(path.join(root, 'dev/architecture.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `([\w-]+)\/` \|[^|]*\|([^|]*)\|/gm)]
  return new Map(
    rows.map(([, folder, knows]) => {
      const names = knows
        .replaceAll(/\([^)]*\)/g, '')
        .split(',')
        .map((name) => name.trim())
      if (names[0] === 'everything') return [folder, null]
      return [folder, new Set(names[0] === 'nothing' ? [] : names)]
    }),
  )
}

/** Folder -> folder -> a file that imports so. Tests beside the source may import from anywhere. */
function imports(): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    const [from, ...rest] = file.split(path.sep)
    if (rest.length === 0 || !file.endsWith('.ts') || file.endsWith('.test.ts')) continue
    const others = found.get(from) ?? new Map<string, string>()
    found.set(from, others)
    for (const [, target] of readFileSync(path.join(source, file), 'utf8').matchAll(
      /\b(?:from|import)\s*\(?'(\.[^']+)'/g,
    )) {
      const [to] = path.relative(source, path.resolve(source, path.dirname(file), target)).split(path.sep)
      if (to !== from) others.set(to, file)
    }
  }
  return found
}

test('folders import from those that dev/architecture.md says, and from all of these', () => {
  const [table, actual] = [documented(), imports()]
  expect([...table.keys()].sort()).toEqual([...actual.keys()].sort())
  for (const [folder, others] of actual) {
    const known = table.get(folder)
    if (known === null) continue
    const beyond = [...others]
      .filter(([other]) => !known?.has(other))
      .map(([other, file]) => `${file} imports from ${other}`)
    expect(beyond).toEqual([])
    expect(others.size, `${folder} knows ${[...(known ?? [])]}`).toBe(known?.size)
  }
})

test('no folder is reached from one that it knows', () => {
  const actual = imports()
  const reach = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of actual.get(from)?.keys() ?? []) if (!seen.has(to)) reach(to, seen.add(to))
    return seen
  }
  for (const folder of actual.keys()) expect(reach(folder), folder).not.toContain(folder)
})
