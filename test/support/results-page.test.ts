/** The results page: its tables are those of dev/results/. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { renderFigure } from '../../scripts/support/figures.ts'
import { renderResults, resultsOf } from '../../scripts/support/results-page.ts'
import { readRecords } from '../../src/format/csv.ts'

const folder = path.join(import.meta.dirname, '../../dev')
const page = readFileSync(path.join(folder, 'results.md'), 'utf8')

describe('dev/results.md', () => {
  test('is what `npm run results` writes', () => {
    expect(renderResults(page, (name) => readFileSync(path.join(folder, 'results', name), 'utf8'))).toBe(page)
  })

  test('renders every file of dev/results/ once, and has no other table', () => {
    const named = resultsOf(page)
    const files = readdirSync(path.join(folder, 'results')).filter((name) => name !== 'figures')
    expect(named.toSorted()).toEqual(files.sort())
    expect(page.match(/^\|(-+\|)+$/gm)).toHaveLength(named.length)
  })
})

describe('files of results', () => {
  const scripts = path.join(folder, '../scripts')

  test('are written by every experiment', () => {
    const experiments = readdirSync(path.join(scripts, 'experiments')).filter((name) => name.endsWith('.ts'))
    const silent = experiments.filter(
      (name) => !/\bwriteResults\(/.test(readFileSync(path.join(scripts, 'experiments', name), 'utf8')),
    )
    expect(silent).toEqual([])
  })

  test('are listed with the experiment that they come from', () => {
    const experiments = readdirSync(path.join(scripts, 'experiments')).filter((name) => name.endsWith('.ts'))
    const table = readFileSync(path.join(folder, 'benchmarks.md'), 'utf8')
    const listed = [...table.matchAll(/^\| `experiments\/([\w-]+\.ts)` \| .+ \| (.+) \|$/gm)].map(
      ([, script, files]) => [script, [...files.matchAll(/`([\w-]+\.csv)`/g)].map(([, file]) => file)] as const,
    )
    const texts = resultsOf(page).map(
      (name) => [name, readFileSync(path.join(folder, 'results', name), 'utf8')] as const,
    )
    expect(listed).toEqual(
      experiments.sort().map((script) => {
        const files = texts.filter(([, text]) => text.includes(`scripts/experiments/${script}`)).map(([name]) => name)
        return [script, files.sort()]
      }),
    )
  })

  test('name a script that writes such files, or a command of the package', () => {
    const wrong: string[] = []
    for (const name of resultsOf(page)) {
      const [, ...rows] = readRecords(
        readFileSync(path.join(folder, 'results', name), 'utf8'),
        ',',
        (line, message) => {
          throw new Error(`${name}, line ${line}: ${message}`)
        },
      )
      for (const { fields } of rows) {
        const [, command] = fields
        const [script] = /\bscripts\/[\w/-]+\.ts\b/.exec(command) ?? []
        const known =
          script === undefined
            ? command.startsWith('videomae ')
            : existsSync(path.join(scripts, '..', script)) &&
              /\bwriteResults\(/.test(readFileSync(path.join(scripts, '..', script), 'utf8'))
        if (!known) wrong.push(`${name}: ${command}`)
      }
    }
    expect([...new Set(wrong)]).toEqual([])
  })
})

describe('pictures of the documents', () => {
  const figures = path.join(folder, 'results/figures')
  const drawn = readdirSync(figures).map((name) => renderFigure(name, readFileSync(path.join(figures, name), 'utf8')))

  test('are what `npm run results` draws, each from one file', () => {
    for (const { image, svg } of drawn)
      expect(readFileSync(path.join(folder, '..', image), 'utf8') === svg, image).toBe(true)
    const pictures = ['dev/images', 'docs/images'].flatMap((each) =>
      readdirSync(path.join(folder, '..', each)).map((name) => `${each}/${name}`),
    )
    const charts = pictures.filter((name) => name.endsWith('.svg'))
    expect(drawn.map(({ image }) => image).sort()).toEqual(charts.sort())
  })

  const figure = {
    date: '2026-11-22',
    command: 'npx x',
    image: 'dev/images/a.svg',
    chart: { title: 'T', xLabel: 'x', yLabel: 'y', curves: [{ name: 'c', points: [[0, 1]] }] },
  }

  test.each([
    [{ date: 'yesterday' }, /a\.json: expected a date/],
    [{ command: '' }, /expected the command/],
    [{ image: 'a.svg' }, /expected a picture NAME\.svg in dev\/images or docs\/images/],
    [{ image: 'docs/images/../../a.svg' }, /expected a picture/],
  ])('are refused where the file is wrong: %j', (change, message) => {
    expect(renderFigure('a.json', JSON.stringify(figure)).svg).toContain('<title>T</title>')
    expect(() => renderFigure('a.json', JSON.stringify({ ...figure, ...change }))).toThrow(message)
  })
})

describe('a table', () => {
  const render = (text: string) => renderResults('before\n<!-- a.csv -->\n| old |\nafter', () => text)
  const head = 'date,command,emphasis,learner,"a, b"'

  test('is replaced, emphasis and empty cells included', () => {
    const text = `${head}\n2026-11-22,npx x,"bold a, b; italic learner",ridge,"1, 2"\n2026-11-22,npx x,,,3\n`
    const table = '| learner | a, b |\n|---|---|\n| *ridge* | **1, 2** |\n| | 3 |'
    expect(render(text)).toBe(`before\n<!-- a.csv -->\n${table}\nafter`)
  })

  test.each([
    ['learner\nridge\n', /line 1: expected the columns date, command, emphasis first/],
    [`${head}\n`, /line 1: expected a row of names and at least one/],
    [`${head}\n2026-11-22,npx x,,ridge\n`, /line 2: expected 5 fields, got 4/],
    [`${head}\nyesterday,npx x,,ridge,1\n`, /line 2: expected a date/],
    [`${head}\n2026-11-22,,,ridge,1\n`, /line 2: expected the command/],
    [`${head}\n2026-11-22,npx x,bold heads,ridge,1\n`, /line 2: expected "bold COLUMN"/],
  ])('is refused where the file is wrong: %#', (text, message) => {
    expect(() => render(text)).toThrow(message)
  })
})
