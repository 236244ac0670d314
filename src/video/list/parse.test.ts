import { describe, expect, test } from 'vitest'
import { VideoMaeError } from '../../core/errors.ts'
import { type ListRow, type ParsedList, parseList } from './parse.ts'

const list = (text: string, existing: readonly string[] = []): ParsedList =>
  parseList(text, 'list', (name) => existing.includes(name))

const parse = (text: string, existing: readonly string[] = []): Omit<ListRow, 'line'>[] =>
  list(text, existing).rows.map(({ line: _, ...rest }) => rest)

const messageOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof VideoMaeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'no error'
}

describe('parseList', () => {
  test('CSV with a header: any order, unknown columns named, quotes', () => {
    expect(parse('camera,label,path\r\n1,run,"a, b ""c"".mp4"\r\n\r\n2,,d.mp4\r\n')).toEqual([
      { path: 'a, b "c".mp4', label: 'run' },
      { path: 'd.mp4' },
    ])
  })

  test('other names of columns: a subject or a source video is a group', () => {
    expect(parse('video,class,subject,official_split,date\na.mp4,run,3,test,2024-05-17')).toEqual([
      { path: 'a.mp4', label: 'run', group: '3', split: 'test', time: '2024-05-17' },
    ])
    expect(parse('path,source_video\na.mp4,k7')).toEqual([{ path: 'a.mp4', group: 'k7' }])
  })

  test('CSV and TSV without a header: path, label, start, end, group', () => {
    expect(parse('a.mp4,run,1.5,3,g1\nb.mp4,walk')).toEqual([
      { path: 'a.mp4', label: 'run', start: 1.5, end: 3, group: 'g1' },
      { path: 'b.mp4', label: 'walk' },
    ])
    expect(parse('\uFEFFmy clip.mp4\tlong jump\t0\t2\n')).toEqual([
      { path: 'my clip.mp4', label: 'long jump', start: 0, end: 2 },
    ])
  })

  test('plain lists and the space-separated lists of the reference', () => {
    expect(parse('# comment\na.mp4\nwith space.mp4\n', ['with space.mp4'])).toEqual([
      { path: 'a.mp4' },
      { path: 'with space.mp4' },
    ])
    expect(parse('/d/a.mp4 12\n/d/b c.mp4 3\n/d/e.mp4 0 -1\n"/d/f g.mp4" 7\n/d/h.mp4 jump', ['/d/h.mp4'])).toEqual([
      { path: '/d/a.mp4', label: '12' },
      { path: '/d/b c.mp4', label: '3' },
      { path: '/d/e.mp4' },
      { path: '/d/f g.mp4', label: '7' },
      { path: '/d/h.mp4', label: 'jump' },
    ])
  })

  test('quoted fields are taken as they stand, also over several lines; others are trimmed', () => {
    expect(parse('path , label\n"/d/ a.mp4" , " lead"\n b.mp4 , run \n"c\nd.mp4","two\r\nlines"\n')).toEqual([
      { path: '/d/ a.mp4', label: ' lead' },
      { path: 'b.mp4', label: 'run' },
      { path: 'c\nd.mp4', label: 'two\r\nlines' },
    ])
    expect(parse('"c\n# d.mp4",run," 1 ","2"')).toEqual([{ path: 'c\n# d.mp4', label: 'run', start: 1, end: 2 }])
    expect(parseList('"a\nb",x\nc,y', 'list', () => false).rows.map(({ line }) => line)).toEqual([1, 3])
  })

  test('a quote in a plain list is part of the name', () => {
    expect(parse('"odd.mp4\nb.mp4\n')).toEqual([{ path: '"odd.mp4' }, { path: 'b.mp4' }])
  })

  test('errors name file and line', () => {
    expect(messageOf(() => parse('a.mp4,x\nb.mp4,y,late'))).toMatch(
      /^MANIFEST_INVALID list:2: expected start in seconds/,
    )
    expect(messageOf(() => parse('a.mp4,x,4,2'))).toMatch(/^MANIFEST_INVALID list:1: expected end after start/)
    expect(messageOf(() => parse('a.mp4,x\n"b.mp4,y'))).toMatch(/^MANIFEST_INVALID list:2: expected a closing quote/)
    expect(messageOf(() => parse('a,b\n"c\nd",e\nf.mp4,x,4,2'))).toMatch(/^MANIFEST_INVALID list:4: expected end/)
    expect(messageOf(() => parse('a.mp4,x\n"b.mp4,y\n"c.mp4",z'))).toMatch(
      /^MANIFEST_INVALID list:2: expected a separator .* line 3/,
    )
    expect(messageOf(() => parse('path,label\n,x'))).toMatch(/^MANIFEST_INVALID list:2: expected a path/)
    expect(messageOf(() => parse('a,b,1,2,g,more'))).toMatch(/^MANIFEST_INVALID list:1: expected at most 5 fields/)
  })
})
