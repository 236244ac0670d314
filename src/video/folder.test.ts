import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { VideoMaeError } from '../core/errors.ts'
import { folderSplit, readFolder } from './folder.ts'
import { listVideos, readVideos } from './source.ts'

const folder = folderForTests('videomae-folder-')
let count = 0
/** A folder with these files. */
const make = (...files: readonly string[]): string => {
  const root = path.join(folder, `f${count++}`)
  mkdirSync(root)
  for (const file of files) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    writeFileSync(path.join(root, file), file)
  }
  return root
}
const problems = (root: string) => readFolder(root).unusable.map(({ id, code }) => `${code} ${id}`)

describe('files that cannot be used are named, and the others are used', () => {
  test('links to nothing and in circles', () => {
    const root = make('ok.mp4')
    symlinkSync('/nonexistent/gone.mp4', path.join(root, 'broken.mp4'))
    symlinkSync('round.mp4', path.join(root, 'round.mp4'))
    symlinkSync('/nonexistent', path.join(root, 'folder'))
    expect(problems(root)).toEqual([
      'VIDEO_LINK_BROKEN broken.mp4',
      'VIDEO_LINK_BROKEN folder',
      'VIDEO_LINK_BROKEN round.mp4',
    ])
    const { entries, sources } = readVideos(root)
    expect(entries.map(({ id }) => id)).toEqual(['ok.mp4'])
    expect(sources[0].summary).toMatch(/1 video; 3 unusable$/)
    rmSync(path.join(root, 'ok.mp4'))
    expect(() => listVideos(root)).toThrow(
      /found only unusable files: broken\.mp4 is a link whose target cannot be opened/,
    )
  })

  test.skipIf(process.platform !== 'linux')('names that are not UTF-8, of files and of folders', () => {
    const root = make('ok.mp4')
    const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
    writeFileSync(at('\xe9t\xe9.mp4'), 'x')
    mkdirSync(at('\xfcbung'))
    expect(problems(root)).toEqual(['VIDEO_NAME_NOT_UNICODE \\xe9t\\xe9.mp4', 'VIDEO_NAME_NOT_UNICODE \\xfcbung'])
    expect(listVideos(root)).toHaveLength(1)
  })

  test.skipIf(process.platform === 'win32')('pipes', () => {
    const root = make('ok.mp4')
    expect(spawnSync('mkfifo', [path.join(root, 'pipe.mp4')]).status).toBe(0)
    expect(problems(root)).toEqual(['VIDEO_NOT_A_FILE pipe.mp4'])
  })

  test('folders that link to each other are each read once', () => {
    const names = Array.from({ length: 12 }, (_, i) => `d${i}`)
    const root = make(...names.map((name) => `${name}/${name}.mp4`))
    for (const a of names) for (const b of names) symlinkSync(path.join(root, b), path.join(root, a, `to-${b}`))
    const { videos, unusable } = readFolder(root)
    expect(videos).toEqual(names.map((name) => `${name}/${name}.mp4`).sort())
    expect(unusable).toHaveLength(144)
    expect(unusable.every(({ code }) => code === 'VIDEO_FOLDER_REPEATED')).toBe(true)
  })

  test('a linked folder is read, by its own name', () => {
    const other = make('walk/a.mp4')
    const root = make('run/b.mp4')
    symlinkSync(path.join(other, 'walk'), path.join(root, 'walk'))
    expect(readFolder(root).videos).toEqual(['run/b.mp4', 'walk/a.mp4'])
  })

  test.skipIf(process.platform === 'win32')('a folder without the right to read it', () => {
    const root = make('ok.mp4', 'closed/b.mp4')
    spawnSync('chmod', ['000', path.join(root, 'closed')])
    // Root may read everything: another user looks then.
    const uid = process.getuid?.() === 0 ? 65534 : undefined
    spawnSync('chmod', ['755', folder, root])
    const script = `import(${JSON.stringify(path.join(import.meta.dirname, 'folder.ts'))}).then(({ readFolder }) => console.log(JSON.stringify(readFolder(${JSON.stringify(root)}))))`
    const tsx = import.meta.resolve('tsx')
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', tsx, '-e', script], { uid, encoding: 'utf8' })
    spawnSync('chmod', ['755', path.join(root, 'closed')])
    expect(stdout, stderr).not.toBe('')
    const { videos, unusable } = JSON.parse(stdout) as ReturnType<typeof readFolder>
    expect(videos).toEqual(['ok.mp4'])
    expect(unusable).toMatchObject([{ id: 'closed', code: 'VIDEO_FOLDER_UNREADABLE' }])
  })

  test('other files and hidden names are counted', () => {
    const { sources } = readVideos(make('a.mp4', 'note.txt', '.cache/b.mp4'))
    expect(sources[0].summary).toMatch(/1 other file not used \(note\.txt\); 1 hidden name not used/)
  })

  test('folders of frames get a hint what to do', () => {
    const root = make('clip1/img_00001.jpg', 'clip1/img_00002.jpg')
    let error: unknown
    try {
      listVideos(root)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(VideoMaeError)
    expect(error).toMatchObject({
      code: 'VIDEO_SOURCE_EMPTY',
      hint: expect.stringMatching(/ffmpeg .*clip1\/img_%05d\.jpg/),
    })
    writeFileSync(path.join(root, 'a.mp4'), 'x')
    expect(readVideos(root).sources[0].warnings).toEqual([
      expect.stringMatching(/clip1 contains 2 pictures and no video.*ffmpeg/),
    ])
  })
})

describe('folders that are a split', () => {
  const splitsOf = (root: string) =>
    listVideos(root, { labelFromFolder: true }).map(({ id, label, split }) => [id, label, split])

  test('top folders, in any usual spelling', () => {
    const root = make('train/walk/a.mp4', 'Valid/walk/b.mp4', 'testing/run/c.mp4')
    expect(splitsOf(root)).toEqual([
      ['Valid/walk/b.mp4', 'walk', 'Valid'],
      ['testing/run/c.mp4', 'run', 'testing'],
      ['train/walk/a.mp4', 'walk', 'train'],
    ])
    expect(readVideos(root).sources[0].summary).toMatch(/split: folders \(Valid 1, testing 1, train 1\)/)
  })

  test('below a common folder, and within each class', () => {
    expect(splitsOf(make('all/train/walk/a.mp4', 'all/test/run/c.mp4'))).toEqual([
      ['all/test/run/c.mp4', 'run', 'test'],
      ['all/train/walk/a.mp4', 'walk', 'train'],
    ])
    expect(splitsOf(make('walk/train/a.mp4', 'walk/test/b.mp4', 'run/train/c.mp4'))).toEqual([
      ['run/train/c.mp4', 'run', 'train'],
      ['walk/test/b.mp4', 'walk', 'test'],
      ['walk/train/a.mp4', 'walk', 'train'],
    ])
  })

  test('not where only one part is there, or no training part', () => {
    expect(folderSplit(['train/walk/a.mp4', 'train/run/b.mp4'])).toEqual({ split: null, warnings: [] })
    expect(folderSplit(['val/a.mp4', 'test/b.mp4'])).toEqual({ split: null, warnings: [] })
  })

  test('not where videos are outside: said', () => {
    const { split, warnings } = folderSplit(['train/walk/a.mp4', 'test/walk/b.mp4', 'extra/walk/c.mp4'])
    expect(split).toBeNull()
    expect(warnings).toEqual([
      expect.stringMatching(/test, train look like a split, but are not used as one.*extra\/walk/),
    ])
  })
})
