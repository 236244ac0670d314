/** Random lists in random dialects: parsing gives the rows back or a coded error, and accounts for every line. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VideoMaeError } from '../../core/errors.ts'
import { type ParsedList, parseList } from './parse.ts'

interface Row {
  readonly path: string
  readonly label: string
  readonly group: string
  readonly split: string
}

const name = fc
  .array(fc.constantFrom(...'abcXYZ019_-é #,;|"\''.split('')), { minLength: 1, maxLength: 10 })
  .map((letters) => letters.join('').trim())
  .filter((text) => text !== '')
const rows = fc.uniqueArray(
  fc.record({
    path: name.map((text) => `v/${text}.mp4`),
    label: name,
    group: fc.constantFrom('g1', 'g2', 'a group'),
    split: fc.constantFrom('train', 'val', 'test'),
  }),
  { minLength: 1, maxLength: 12, selector: ({ path }) => path },
)
const dialect = fc.record({
  separator: fc.constantFrom(',', ';', '\t', '|', ' '),
  lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
  quoteAll: fc.boolean(),
  rowNames: fc.constantFrom('none', 'named', 'R'),
  header: fc.constantFrom('path', 'File Name', 'video_path', 'CLIP-PATH'),
  order: fc.shuffledSubarray(['path', 'label', 'group', 'split', 'camera'], { minLength: 5 }),
  bom: fc.boolean(),
  finalEnd: fc.boolean(),
  between: fc.array(fc.constantFrom('', '# a comment', '   '), { maxLength: 3 }),
})
type Dialect = typeof dialect extends fc.Arbitrary<infer T> ? T : never

function write(all: readonly Row[], how: Dialect): string {
  const { separator, quoteAll, rowNames, order } = how
  const field = (text: string): string =>
    quoteAll || text === '' || text !== text.trim() || /[",;|\t\s]|^#/.test(text)
      ? `"${text.replaceAll('"', '""')}"`
      : text
  const line = (values: readonly string[]): string => values.map(field).join(separator)
  const heads: Record<string, string> = {
    path: how.header,
    label: 'class',
    group: 'subject',
    split: 'subset',
    camera: 'camera',
  }
  const header = order.map((key) => heads[key])
  const body = all.map((row, i) => {
    const values = order.map((key) => ({ ...row, camera: 'left' })[key] ?? '')
    return line(rowNames === 'none' ? values : [String(i + 1), ...values])
  })
  const lines = [line(rowNames === 'named' ? ['', ...header] : header), ...how.between, ...body]
  return (how.bom ? '\uFEFF' : '') + lines.join(how.lineEnd) + (how.finalEnd ? how.lineEnd : '')
}

function expectAccounted({ lines: { total, ...counts } }: ParsedList): void {
  expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(total)
}

test('rows come back from every dialect, and every line is accounted for', () => {
  fc.assert(
    fc.property(rows, dialect, (all, how) => {
      const existing = new Set(all.map(({ path }) => path))
      const parsed = parseList(write(all, how), 'list', (text) => existing.has(text))
      expect(parsed.rows.map(({ path, label, group, split }) => ({ path, label, group, split }))).toEqual(all)
      expect(parsed.unused.map(({ name: column }) => column)).toContain('camera')
      expectAccounted(parsed)
    }),
    { numRuns: 400, seed: 11 },
  )
})

test('rows come back from lists without a header', () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(',', ';', '\t', '|', ' '), (all, separator) => {
      const existing = new Set(all.map(({ path }) => path))
      const text = all
        .map(({ path, label }) => [path, label].map((it) => `"${it.replaceAll('"', '""')}"`).join(separator))
        .join('\n')
      const parsed = parseList(text, 'list', (it) => existing.has(it))
      expect(parsed.rows.map(({ path, label }) => [path, label])).toEqual(all.map(({ path, label }) => [path, label]))
      expectAccounted(parsed)
    }),
    { numRuns: 200, seed: 12 },
  )
})

test('any text gives rows or a coded error, never another one', () => {
  const piece = fc.constantFrom(
    'path',
    'label',
    'start',
    'v/a.mp4',
    'b c.mp4',
    '"',
    '""',
    ',',
    ';',
    '\t',
    '|',
    ' ',
    '\n',
    '\r\n',
    '#',
    '0',
    '-1',
    '1.5',
    'train',
    '[',
    '{',
    'é',
    '\uFEFF',
    'sep=;',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      try {
        expectAccounted(parseList(pieces.join(''), 'list', (text) => text === 'v/a.mp4' || text === 'b c.mp4'))
      } catch (error) {
        if (!(error instanceof VideoMaeError)) throw error
        expect(error.code).toBe('MANIFEST_INVALID')
        expect(error.message).toMatch(/^list:\d+: /)
      }
    }),
    { numRuns: 3000, seed: 13 },
  )
})
