import { describe, expect, test } from 'vitest'
import { csvField, readRecords } from './csv.ts'

const read = (text: string, separator = ','): string[] => {
  const problems: string[] = []
  const records = readRecords(text, separator, (line, message) => {
    throw new Error(`${line}: ${message}`)
  })
  for (const { line, fields } of records) problems.push(`${line} ${JSON.stringify(fields)}`)
  return problems
}

describe('records', () => {
  test('end where a line ends outside quotes, whatever ends it', () => {
    expect(read('a,b\r\nc,d\re\nf')).toEqual(['1 ["a","b"]', '2 ["c","d"]', '3 ["e"]', '4 ["f"]'])
    expect(read('"a\r\nb","c\nd"\n\n"e\r",f\ng')).toEqual(['1 ["a\\r\\nb","c\\nd"]', '5 ["e\\r","f"]', '7 ["g"]'])
  })

  test('keep quoted fields as they stand and trim others', () => {
    expect(read(' a , " b " ,\tc\n"",,')).toEqual(['1 ["a"," b ","c"]', '2 ["","",""]'])
    expect(read('a b\t" c, ""d"""\t', '\t')).toEqual(['1 ["a b"," c, \\"d\\"",""]'])
  })

  test('leave out empty lines and comments, also between quoted lines', () => {
    expect(read('# one, "two\n \n"# three\n# four",x\n#five')).toEqual(['3 ["# three\\n# four","x"]'])
  })

  test('read quotes behind a backslash where doubled ones cannot be meant', () => {
    expect(read('"1","say \\"so\\", ok"\n"2","b"')).toEqual(['1 ["1","say \\"so\\", ok"]', '2 ["2","b"]'])
    expect(read('"\\"a\\""')).toEqual(['1 ["\\"a\\""]'])
    // A backslash before the quote that closes a field stands for itself.
    expect(read('"C:\\dir\\",1\n"C:\\dir\\",2')).toEqual(['1 ["C:\\\\dir\\\\","1"]', '2 ["C:\\\\dir\\\\","2"]'])
    expect(() => read('a\n"b\\",c')).not.toThrow()
    expect(() => read('a\n"b \\"c')).toThrow('2: expected a separator')
    // Two readings: one field that holds quotes, or two fields.
    expect(() => read('x\n"a\\",\\"b"')).toThrow(/^2: .*only one reading/)
  })

  test('name the line a bad quote stands on', () => {
    expect(() => read('a\n"b\nc')).toThrow('2: expected a closing quote')
    expect(() => read('a\n"b\nc,"d"')).toThrow(/^2: .*line 3/)
  })
})

test('what csvField writes is read as it was', () => {
  const names = [
    'plain',
    ' lead',
    'trail ',
    'a, b',
    'say "so"',
    'two\nlines',
    'a\rb',
    '\t',
    '"',
    '#5',
    '',
    ' # ',
    'ü\u00a0',
  ]
  const text = names.map((name) => `${csvField(name)},${csvField(7)}`).join('\n')
  const records = readRecords(text, ',', (line, message) => {
    throw new Error(`${line}: ${message}`)
  })
  expect(records.map(({ fields }) => fields)).toEqual(names.map((name) => [name, '7']))
  expect([csvField('plain'), csvField(1.5)]).toEqual(['plain', '1.5'])
})

test.each([
  ['\u2028', 'U+2028'],
  ['\u2029', 'U+2029'],
  ['\u0085', 'U+0085'],
  ['\v', 'U+000B'],
  ['\f', 'U+000C'],
])(
  '%j, which some programs take for a line end, is named with its line, and is kept inside quotes',
  (character, name) => {
    const read = (text: string) =>
      readRecords(text, ',', (line, message) => {
        throw new Error(`${line}: ${message}`)
      }).map(({ fields }) => fields)
    expect(() => read(`path,label\na,x${character}b,y\n`)).toThrow(
      new RegExp(`^2: .*found ${name.replace('+', '\\+')} `),
    )
    const field = `a${character}b`
    expect(read(`path,label\n${csvField(field)},x\n`)).toEqual([
      ['path', 'label'],
      [field, 'x'],
    ])
  },
)
