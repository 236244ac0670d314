import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { type ManifestLine, parseManifest } from './manifest.ts'
import { classFolderWarnings, listVideos } from './source.ts'

const parse = (text: string, existing: readonly string[] = []): Omit<ManifestLine, 'line'>[] =>
  parseManifest(text, 'list', (name) => existing.includes(name)).map(({ line: _, ...rest }) => rest)

const messageOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof VideoMaeError) return `${error.code} ${error.message}`
  }
  return 'no error'
}

describe('manifest', () => {
  test('CSV with a header: any order, unknown columns ignored, quotes', () => {
    expect(parse('fold,label,path\r\n1,run,"a, b ""c"".mp4"\r\n\r\n2,,d.mp4\r\n')).toEqual([
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
    expect(parseManifest('"a\nb",x\nc,y', 'list', () => false).map(({ line }) => line)).toEqual([1, 3])
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

describe('sources', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'videomae-source-'))
    mkdirSync(path.join(folder, 'b class/deep'), { recursive: true })
    mkdirSync(path.join(folder, '.hidden'))
    for (const name of ['z.mp4', 'b class/a.MKV', 'b class/deep/c.webm', 'note.txt', '.hidden/x.mp4', '.y.mp4']) {
      writeFileSync(path.join(folder, name), 'x')
    }
    symlinkSync(folder, path.join(folder, 'b class/loop'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a folder: subfolders, known extensions, fixed order, no hidden files, no way round in circles', () => {
    const ids = listVideos(folder, { labelFromFolder: true }).map(({ id, label }) => [id, label])
    expect(ids).toEqual([
      ['b class/a.MKV', 'b class'],
      ['b class/deep/c.webm', 'deep'],
      ['z.mp4', path.basename(folder)],
    ])
  })

  test('a list: relative to its own folder or to a base; parts have their own id', () => {
    const list = path.join(folder, 'list.csv')
    writeFileSync(list, 'path,start,end\nz.mp4,1,2\nz.mp4,2,\n')
    expect(listVideos(list)).toEqual([
      { path: path.join(folder, 'z.mp4'), id: 'z.mp4#1-2', start: 1, end: 2 },
      { path: path.join(folder, 'z.mp4'), id: 'z.mp4#2-', start: 2 },
    ])
    expect(messageOf(() => listVideos(list, { base: path.join(folder, 'elsewhere') }))).toMatch(
      /^VIDEO_SOURCE_NOT_FOUND/,
    )
    writeFileSync(list, 'z.mp4 0 30 7\n')
    expect(() => listVideos(list)).toThrow(expect.objectContaining({ hint: expect.stringMatching(/parts in seconds/) }))
    writeFileSync(list, 'z.mp4,run\nz.mp4,walk\n')
    expect(messageOf(() => listVideos(list))).toMatch(/list\.csv:2: expected one label for z\.mp4, but line 1/)
  })

  test('one file, nothing, and nothing useful', () => {
    expect(listVideos(path.join(folder, 'z.mp4'))).toEqual([{ path: path.join(folder, 'z.mp4'), id: 'z.mp4' }])
    expect(messageOf(() => listVideos(path.join(folder, 'absent')))).toMatch(/^VIDEO_SOURCE_NOT_FOUND/)
    mkdirSync(path.join(folder, 'empty'))
    expect(messageOf(() => listVideos(path.join(folder, 'empty')))).toMatch(/^VIDEO_SOURCE_EMPTY/)
  })
})

describe('classes that are folders', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'videomae-classes-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  let data = 0
  const warningsOf = (...files: string[]): string[] => {
    const source = path.join(folder, `data${data++}`)
    for (const file of files) {
      mkdirSync(path.dirname(path.join(source, file)), { recursive: true })
      writeFileSync(path.join(source, file), 'x')
    }
    return classFolderWarnings(source, listVideos(source, { labelFromFolder: true }))
  }

  test('lie side by side, however deep: nothing to say', () => {
    expect(warningsOf('walk/a.mp4', 'run/b.mp4')).toEqual([])
    expect(warningsOf('all/train/walk/a.mp4', 'all/train/run/b.mp4')).toEqual([])
    const list = path.join(folder, 'list.csv')
    writeFileSync(list, `path,label\n${path.join(folder, 'data0/walk/a.mp4')},x\n`)
    expect(classFolderWarnings(list, listVideos(list))).toEqual([])
  })

  test('of one name under several folders are one class: said', () => {
    expect(warningsOf('train/walk/a.mp4', 'train/run/b.mp4', 'test/walk/c.mp4')).toEqual([
      expect.stringMatching(/test\/walk and train\/walk are one class, walk/),
    ])
    expect(warningsOf('walk/s1/a.mp4', 'run/s1/b.mp4', 'run/s2/b.mp4')).toEqual([
      expect.stringMatching(/3 folders with videos.*run\/s1 and walk\/s1 are one class, s1.*path,label/),
    ])
  })

  test('at different depths, or below different folders, are classes of their own: said', () => {
    expect(warningsOf('walk/a.mp4', 'walk/s1/b.mp4', 'run/c.mp4')).toEqual([
      expect.stringMatching(/walk\/s1 is the class s1.*not walk/),
    ])
    expect(warningsOf('walk/s1/a.mp4', 'run/s2/b.mp4')).toEqual([
      expect.stringMatching(/run\/s2 is the class s2.*not run/),
    ])
    expect(warningsOf('a.mp4', 'run/c.mp4')).toEqual([
      expect.stringMatching(/a\.mp4, which lies in no folder .*is of the class data\d/),
    ])
  })
})
