import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { classFolderWarnings } from './folder-source.ts'
import { listVideos } from './source.ts'

const messageOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof VideoMaeError) return `${error.code} ${error.message}`
  }
  return 'no error'
}

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
      { path: path.join(folder, 'z.mp4'), id: 'z.mp4#1-2', line: 2, start: 1, end: 2 },
      { path: path.join(folder, 'z.mp4'), id: 'z.mp4#2-', line: 3, start: 2 },
    ])
    expect(messageOf(() => listVideos(list, { base: path.join(folder, 'elsewhere') }))).toMatch(
      /^VIDEO_SOURCE_NOT_FOUND/,
    )
    writeFileSync(list, 'z.mp4 0 30 7\n')
    expect(messageOf(() => listVideos(list))).toMatch(/MANIFEST_INVALID .*list\.csv:1: .*give parts in seconds/)
    writeFileSync(list, 'z.mp4,run\nz.mp4,walk\n')
    expect(messageOf(() => listVideos(list))).toMatch(/list\.csv:2: expected one label for z\.mp4, but line 1/)
  })

  test('a source that is named twice, also through a link, is refused: its videos would count twice', () => {
    const [again, link] = [path.join(folder, 'b class/'), path.join(folder, 'link')]
    symlinkSync(path.join(folder, 'b class'), link)
    for (const second of [again, link])
      expect(messageOf(() => listVideos([path.join(folder, 'b class'), second]))).toMatch(
        /^INVALID_ARGUMENT .*each value once for sources/,
      )
    const others = [path.join(folder, 'b class/deep'), path.join(folder, 'z.mp4')]
    expect(listVideos(others).map(({ id }) => id)).toEqual(['0/c.webm', '1/z.mp4'])
    rmSync(link)
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

  test('are side by side, however deep: nothing to say', () => {
    expect(warningsOf('walk/a.mp4', 'run/b.mp4')).toEqual([])
    expect(warningsOf('all/train/walk/a.mp4', 'all/train/run/b.mp4')).toEqual([])
    const list = path.join(folder, 'list.csv')
    writeFileSync(list, `path,label\n${path.join(folder, 'data0/walk/a.mp4')},x\n`)
    expect(classFolderWarnings(list, listVideos(list))).toEqual([])
  })

  test('are below the folders of a split: nothing to say', () => {
    expect(warningsOf('train/walk/a.mp4', 'train/run/b.mp4', 'test/walk/c.mp4')).toEqual([])
    expect(warningsOf('walk/train/a.mp4', 'walk/test/b.mp4', 'run/train/b.mp4')).toEqual([])
  })

  test('of one name under several folders are one class: said', () => {
    expect(warningsOf('home/walk/a.mp4', 'home/run/b.mp4', 'away/walk/c.mp4')).toEqual([
      expect.stringMatching(/away\/walk and home\/walk are one class, walk/),
    ])
    expect(warningsOf('walk/s1/a.mp4', 'run/s1/b.mp4', 'run/s2/b.mp4')).toEqual([
      expect.stringMatching(/3 folders with videos.*run\/s1 and walk\/s1 are one class, s1.*path,label/),
    ])
  })

  test('at different depths, or below different folders, are classes of their own: said', () => {
    expect(warningsOf('walk/a.mp4', 'walk/s1/b.mp4', 'run/c.mp4')).toEqual([
      expect.stringMatching(/walk\/s1 has the class s1.*not walk/),
    ])
    expect(warningsOf('walk/s1/a.mp4', 'run/s2/b.mp4')).toEqual([
      expect.stringMatching(/run\/s2 has the class s2.*not run/),
    ])
    expect(warningsOf('a.mp4', 'run/c.mp4')).toEqual([
      expect.stringMatching(/a\.mp4, which is not in a folder of a class, has the class data\d/),
    ])
  })
})
