/** Each exported name has one meaning: no two files of src declare and export the same one. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const source = path.join(import.meta.dirname, '..', 'src')
const declaration =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|let|enum) (\w+)/gm

/** Exported name -> files that declare it. Re-exports are no declarations. */
function declarations(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const entry of readdirSync(source, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const file = entry.replaceAll(path.sep, '/')
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
    for (const name of exportedNames(readFileSync(path.join(source, file), 'utf8')))
      found.set(name, [...(found.get(name) ?? []), file])
  }
  return found
}

/** Names of overloaded functions once. */
function exportedNames(text: string): Set<string> {
  return new Set([...text.matchAll(declaration)].map(([, name]) => name))
}

/**
 * The place in which a name is unique.
 * - An operation has its own name in the graph and in each engine: what takes it there is found by that name.
 * - Engines have the same parts (`SessionPlan`, `evaluate`), and none imports from another's.
 * - A command of the command line has the name of the function that it calls.
 */
function scopeOf(file: string): string {
  const engine = /^engine\/(\w+)\//.exec(file)
  if (engine !== null) return `engine ${engine[1]}`
  if (file.startsWith('graph/operations/')) return 'operations'
  return file.startsWith('cli/commands/') ? 'commands' : 'library'
}

/** Names that two files of one place declare, or the library and an engine. */
function repeated(names: ReadonlyMap<string, readonly string[]>): string[] {
  return [...names].flatMap(([name, files]) => {
    const scopes = files.map(scopeOf)
    const engines = scopes.filter((scope) => scope.startsWith('engine '))
    const twice = new Set(scopes).size < scopes.length
    const mixed = engines.length > 0 && scopes.includes('library')
    return twice || mixed ? [`${name}: ${files.join(', ')}`] : []
  })
}

test('no two files export the same name', () => {
  const names = declarations()
  expect(names.size).toBeGreaterThan(2000)
  expect(repeated(names)).toEqual([])
})

test('names that are exported twice are found', () => {
  const files = (...list: string[]) => new Map([['name', list]])
  expect([
    ...exportedNames('export function a(): void\nexport function a(x: 1): void\nexport { b } from "c"\n'),
  ]).toEqual(['a'])
  for (const twice of [
    ['train/a.ts', 'video/b.ts'],
    ['engine/cuda/a.ts', 'engine/cuda/b.ts'],
    ['engine/cuda/a.ts', 'train/a.ts'],
    ['cli/a.ts', 'train/a.ts'],
  ])
    expect(repeated(files(...twice)), twice.join()).toHaveLength(1)
  for (const once of [
    ['graph/operations/a.ts', 'engine/cuda/lowering/a.ts', 'engine/onnx/lowering/a.ts'],
    ['cli/commands/a.ts', 'train/a.ts'],
  ])
    expect(repeated(files(...once)), once.join()).toEqual([])
})
