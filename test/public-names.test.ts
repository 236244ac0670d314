/** The public API: every name of every entry is listed in public-names.txt, so that a change of it is seen. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const entries = ['index', 'certify', 'graph', 'jobs', 'model', 'video']

/** Names that an entry exports, types included, sorted. */
function namesOf(entry: string): string[] {
  const text = readFileSync(path.join(root, 'src', `${entry}.ts`), 'utf8')
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].map(([, names]) => names.split(','))
  return lists
    .flat()
    .map((name) => name.trim().replace(/^type /, ''))
    .filter((name) => name !== '')
    .sort()
}

test('names of all entries', async () => {
  const text = entries.map((entry) => `# ${entry}\n${namesOf(entry).join('\n')}\n`).join('\n')
  await expect(text).toMatchFileSnapshot('public-names.txt')
})

describe('entries', () => {
  test.each(entries)('%s exports what it lists', async (entry) => {
    const library = (await import(`../src/${entry}.ts`)) as Record<string, unknown>
    const names = new Set(namesOf(entry))
    expect(Object.keys(library).filter((name) => !names.has(name))).toEqual([])
    expect(Object.keys(library).length).toBeGreaterThan(0)
  })

  test('the main one can be held in the head', () => {
    expect(namesOf('index').length).toBeLessThanOrEqual(60)
  })

  test('package.json offers each', () => {
    const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const paths = entries.map((entry) => (entry === 'index' ? '.' : `./${entry}`))
    expect(Object.keys(exports).sort()).toEqual([...paths, './package.json'].sort())
  })

  test('nothing is exported without being named', () => {
    const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
    const stars = files.filter(
      (file) => file.endsWith('.ts') && /^export \* /m.test(readFileSync(path.join(root, 'src', file), 'utf8')),
    )
    expect(stars).toEqual([])
  })
})
