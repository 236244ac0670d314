/** The API reference: every public name has a sentence, and the examples in docstrings compile and give what they say. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { entries, examplesOf, pageOf, silent, symbolsOf, uncommented } from '../../scripts/support/api-reference.ts'

const root = path.resolve(import.meta.dirname, '../..')
const dist = path.join(root, 'dist')
const symbols = entries.flatMap((entry) => symbolsOf(dist, entry))

describe('the API reference', () => {
  test('has every public name, each with a sentence', () => {
    const list = readFileSync(path.join(root, 'test/public-names.txt'), 'utf8')
    const names = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(symbols.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
    expect(silent(symbols)).toEqual([])
  })

  test('has a language for each example, so that it is compiled and run', () => {
    const bare = symbols.filter(({ doc }) =>
      doc
        .split(/^@example$/m)
        .slice(1)
        .some((text) => !/^\n```ts\n/.test(text)),
    )
    expect(bare.map(({ name }) => name)).toEqual([])
  })

  test('has a comment for each field that users hold', () => {
    const fields = symbols.flatMap(({ declaration }) => [...declaration.matchAll(/^ {4}(readonly )?\w+\??[:(<]/gm)])
    expect(fields.length).toBeGreaterThan(1000)
    expect(uncommented(symbols)).toEqual([])
  })

  test('shows a declaration, what is said of it, and its tags as a list', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-api-'))
    writeFileSync(path.join(folder, 'graph.d.ts'), "export { type Options, twice } from './more.ts';\n")
    writeFileSync(path.join(folder, 'more.d.ts'), `export type { Options } from './options.ts';\n${twice}`)
    writeFileSync(
      path.join(folder, 'options.d.ts'),
      '/** How. */\nexport interface Options {\n    /** Why. */\n    a: 1;\n}\n',
    )
    const page = pageOf('graph', symbolsOf(folder, 'graph'))
    rmSync(folder, { recursive: true })
    expect(page).toContain('## Options\n\n```ts\ninterface Options {\n    /** Why. */\n    a: 1;\n}\n```\n\nHow.\n')
    expect(page).toContain(
      '## twice\n\n```ts\nfunction twice(x: number): number;\n```\n\nDoubles.\n\n* `x`: a number\n* Returns 2x\n',
    )
  })
})

const twice = `/**
 * Doubles.
 *
 * @param x a number
 * @returns 2x
 */
export declare function twice(x: number): number;
declare const other = 1;
`

describe('examples in docstrings', () => {
  // Inside the package, so that its name means itself.
  const folder = path.join(root, '.cache', `examples-${process.pid}`)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** These write what the next ones read. Every other example runs before them. */
  const inOrder = [
    ...['pretrain', 'openEncoder', 'computeFeatures', 'reconstruct', 'writeReport', 'exportEncoder'],
    ...['finetune', 'openAnyClassifier', 'evaluateVideos', 'predict', 'exportClassifier', 'compareExport'],
    ...[
      'exportClassifierDirectory',
      'certifyVideos',
      'openCertifiedEnsemble',
      'verifyCertificate',
      'diffCertificates',
      'forecastCertification',
      'watchRuns',
    ],
  ]
  const examples = symbols
    .filter((symbol, i) => symbols.findIndex(({ doc }) => doc === symbol.doc) === i) // A name of two entries.
    .flatMap((symbol) => examplesOf(symbol).map((code) => ({ name: symbol.name, code })))
    .toSorted((a, b) => inOrder.indexOf(a.name) - inOrder.indexOf(b.name))

  /** `EXPRESSION // => VALUE` becomes a comparison. */
  const checked = (code: string): string =>
    code.replaceAll(/^(.+?);? +\/\/ => (.+)$/gm, (_, actual, expected) => `same(${actual}, ${expected})`)

  test('compile, run, and give the values that they name', async () => {
    expect(examples.map(({ name }) => name)).toEqual(expect.arrayContaining(inOrder))
    mkdirSync(folder, { recursive: true })
    cpSync(path.join(root, 'data/motion'), path.join(folder, 'videos'), { recursive: true })
    const before = "import { deepStrictEqual as same } from 'node:assert'\n"
    for (const [i, { code }] of examples.entries()) {
      expect(code, 'an example says what it gives').toMatch(/ \/\/ => /)
      writeFileSync(path.join(folder, `${i}.mts`), `${before}${checked(code)}`)
    }
    const options = {
      outDir: folder,
      rootDir: folder,
      noEmit: false,
      allowImportingTsExtensions: false,
      allowJs: false,
    }
    const paths = { videomae: ['../../dist/index.d.ts'], 'videomae/*': ['../../dist/*.d.ts'] }
    writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        compilerOptions: { ...options, paths },
        include: ['*.mts'],
        exclude: [],
      }),
    )
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
    expect(status, stdout).toBe(0)
    const list = examples.map((_, i) => pathToFileURL(path.join(folder, `${i}.mjs`)).href)
    const program = `for (const file of ${JSON.stringify(list)}) await import(file)`
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', cwd: folder })
    expect(run.status, run.stderr).toBe(0)
  })
})
