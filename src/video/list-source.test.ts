import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { VideoMaeError } from '../core/errors.ts'
import { readingLines } from './reading.ts'
import { listVideos, readVideos } from './source.ts'

const folder = folderForTests('videomae-list-')
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)

beforeAll(() => {
  mkdirSync(inFolder('v/frames'), { recursive: true })
  for (const name of ['v/a.mp4', 'v/b.mp4', 'v/id7.webm', 'v/a.mp4#0-1', 'v/café.mp4'])
    writeFileSync(inFolder(name), 'x')
})

const write = (content: string | Buffer, name = 'list.csv'): string => {
  writeFileSync(inFolder(name), content)
  return inFolder(name)
}

const messageOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (error instanceof VideoMaeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'no error'
}

const bigEndian = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()

describe('encodings of lists', () => {
  const text = 'path,label\nv/a.mp4,red\nv/café.mp4,blue\n'

  test.each([
    ['UTF-8', Buffer.from(text), 'UTF-8'],
    ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${text}`), 'UTF-8'],
    ['UTF-16LE', Buffer.from(`\uFEFF${text}`, 'utf16le'), 'UTF-16LE'],
    ['UTF-16BE', bigEndian(text), 'UTF-16BE'],
    ['Windows-1252, as the paths show', Buffer.from(text, 'latin1'), 'Windows-1252'],
  ])('%s', (_, bytes, encoding) => {
    const { entries, sources } = readVideos(write(bytes))
    expect(entries.map(({ id, label }) => [id, label])).toEqual([
      ['v/a.mp4', 'red'],
      ['v/café.mp4', 'blue'],
    ])
    expect(sources[0].encoding).toBe(encoding)
  })

  test.each([
    [
      'UTF-16 without a byte order mark',
      Buffer.from(text, 'utf16le'),
      /list\.csv:1: .*UTF-16 without a byte order mark/,
    ],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x70, 0, 0, 0]), /UTF-32/],
    ['null bytes', Buffer.from('path\nv/a.mp4\nv/b\0.mp4\n'), /list\.csv:3: .*byte 16 is 0/],
    [
      'bytes of which nothing says the encoding',
      Buffer.from('path,label\nv/a.mp4,gr\xfcn\n', 'latin1'),
      /list\.csv:2: .*0xfc is not UTF-8/,
    ],
    ['a path that exists in no encoding', Buffer.from('path\nv/a.mp4\nv/\xfc.mp4\n', 'latin1'), /list\.csv:3: /],
    ['a video', Buffer.from([0, 0, 0, 0x20, 0x66, 0x74, 0x79, 0x70]), /video at .* but it is a video \(MP4 or MOV\)/],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n\0\0', 'latin1'), /but it is a picture \(PNG\)/],
    ['sound', Buffer.from('RIFF\0\0\0\0WAVEfmt '), /but it is sound \(WAV\)/],
    ['weights', Buffer.from('\x40\0\0\0\0\0\0\0{"a":1}'), /but it is weights \(safetensors\)/],
  ])('%s is refused', (_, bytes, message) => {
    const said = messageOf(() => listVideos(write(bytes)))
    expect(said).toMatch(/^MANIFEST_ENCODING /)
    expect(said).toMatch(message)
  })
})

test.each(["'v/a.mp4' 'red'\n", '“v/a.mp4”,“red”\n', '„v/a.mp4“;„red“\n'])(
  'quotes that are none of a list are named: %j',
  (text) => {
    expect(() => listVideos(write(text))).toThrow(
      expect.objectContaining({
        code: 'VIDEO_SOURCE_NOT_FOUND',
        hint: expect.stringMatching(/straight double quotes/),
      }),
    )
  },
)

test('a path that no file can have is one that does not exist', () => {
  const long = 'a'.repeat(5000)
  expect(messageOf(() => listVideos(write(`path\n${long}\n`)))).toMatch(/^VIDEO_SOURCE_NOT_FOUND /)
  symlinkSync('ring', inFolder('ring'))
  expect(messageOf(() => listVideos(write('path\nring\n')))).toMatch(/^VIDEO_SOURCE_NOT_FOUND /)
})

describe('accents, composed and apart', () => {
  const forms = ['NFC', 'NFD'] as const

  test.each(forms.flatMap((folder) => forms.map((file) => [folder, file] as const)))(
    'a folder in %s with a file in %s is found from a list in either form',
    (folderForm, fileForm) => {
      const inner = `${'für'.normalize(folderForm)}-${folderForm}${fileForm}`
      const name = 'é.mp4'.normalize(fileForm)
      mkdirSync(inFolder(inner), { recursive: true })
      writeFileSync(inFolder(inner, name), 'x')
      for (const form of forms) {
        const { entries, sources } = readVideos(write(`path,label\n${`${inner}/é.mp4`.normalize(form)},grün\n`))
        expect(entries.map((entry) => entry.path)).toEqual([inFolder(inner, name)])
        const same = folderForm === form && fileForm === form
        expect(/accents of 1 path in a Unicode form other than/.test(sources[0].summary)).toBe(!same)
      }
    },
  )

  test('both forms of a folder may exist, and each has its own files', () => {
    for (const form of forms) {
      mkdirSync(inFolder('twins', 'ä'.normalize(form)), { recursive: true })
      writeFileSync(inFolder('twins', 'ä'.normalize(form), `${form}.mp4`), 'x')
    }
    const text = forms.flatMap((form) => forms.map((file) => `twins/${'ä'.normalize(form)}/${file}.mp4`))
    const { entries, sources } = readVideos(write(`path\n${text.join('\n')}\n`))
    expect(entries.map((entry) => entry.path)).toEqual(
      forms.map((form) => inFolder('twins', 'ä'.normalize(form), `${form}.mp4`)),
    )
    expect(sources[0].repeated).toHaveLength(2)
    const labels = listVideos(inFolder('twins'), { labelFromFolder: true }).map(({ label }) => label)
    expect(labels).toEqual(['ä'.normalize('NFC'), 'ä'.normalize('NFC')])
  })

  test('labels, groups and ids that look alike are one', () => {
    const [a, b] = forms.map((form) => `grün,sübject`.normalize(form))
    const { sources, entries } = readVideos(write(`path,label,group\nv/a.mp4,${a}\nv/b.mp4,${b}\n`))
    expect(new Set(entries.map(({ label }) => label)).size).toBe(1)
    expect(sources[0].summary).toMatch(/label: label \(1 class\); groups: group \(1\)/)
    const ids = forms.map((form, i) => `${'ü'.normalize(form)},v/${'ab'[i]}.mp4`).join('\n')
    expect(() => readVideos(write(`clip_id,path\n${ids}\n`))).toThrow(/different ids/)
  })
})

describe('rows of lists', () => {
  test('every row is used or named', () => {
    const list = write(
      'path,label,camera\nv/a.mp4,red,1\nv/b.mp4,blue,1\nv/a.mp4,red,1\n# note\n\nv/frames,red,2\nv/gone.mp4,red,2\n',
    )
    const { entries, sources } = readVideos(list)
    expect(entries.map(({ id, line }) => [id, line])).toEqual([
      ['v/a.mp4', 2],
      ['v/b.mp4', 3],
      ['v/gone.mp4', 8],
    ])
    const [reading] = sources
    expect(reading.lines).toEqual({ total: 8, header: 1, rows: 5, comments: 1, empty: 1, directives: 0 })
    expect(reading.videos + reading.repeated.length + reading.unusable.length).toBe(reading.lines?.rows)
    expect(readingLines(reading)).toEqual([
      `read ${list} as CSV, 3 videos; path: path; label: label (2 classes); not used: camera; 1 comment; 1 empty line; 1 of the paths does not exist; 1 repeated row left out; 1 unusable`,
      expect.stringMatching(
        /unusable: line 7: v\/frames is a folder, .*pictures are not supported \[VIDEO_NOT_A_FILE\]/,
      ),
      '  line 4 names v/a.mp4 again (line 2)',
    ])
  })

  test.each(['label', 'split', 'group'])('rows of one video that differ in their %s are refused', (column) => {
    expect(messageOf(() => listVideos(write(`path,${column}\nv/a.mp4,train\n./v/a.mp4,test\n`)))).toMatch(
      new RegExp(`MANIFEST_INVALID .*:3: expected one ${column} for v/a.mp4, but line 2 says train and this line test`),
    )
  })

  test('ids that are given twice are refused; a file named like a part is another video', () => {
    expect(messageOf(() => listVideos(write('clip_id,path\nx,v/a.mp4\nx,v/b.mp4\n')))).toMatch(
      /:3: expected different ids, but x/,
    )
    const ids = listVideos(write('path,start,end\nv/a.mp4,0,1\nv/a.mp4#0-1,,\n')).map(({ id }) => id)
    expect(ids).toEqual(['v/a.mp4#0-1', 'v/a.mp4#0-1 (line 3)'])
  })

  test('paths of Windows, and names without extension, are found and said', () => {
    const { entries, sources } = readVideos(write('path;label\nv\\a.mp4;1\nv/id7;2\n'))
    expect(entries.map(({ path: file }) => path.relative(folder, file))).toEqual(['v/a.mp4', 'v/id7.webm'])
    expect(sources[0].summary).toMatch(/\\ read as \/ in 1 path; an extension added to 1 path/)
    expect(listVideos(write('id;label\nv/id7;Pushing something\n'))).toEqual([
      { path: inFolder('v/id7.webm'), id: 'v/id7', line: 2, label: 'Pushing something' },
    ])
  })

  test.each(['./v/a.mp4', 'v/../v/a.mp4', 'v//a.mp4', inFolder('v/a.mp4'), 'v\\a.mp4', 'v/a'])(
    'in a fixed form %s does not rename the row v/a.mp4: a second spelling is refused',
    (spelling) => {
      const rows = (...names: string[]): string =>
        write(`path,label\n${names.map((name) => `${name},red\n`).join('')}v/b.mp4,red\n`)
      // Alone, each spelling is the id; together, the first row would be.
      const alone = listVideos(rows('v/a.mp4'), { fixedForm: true }).map(({ id }) => id)
      expect(alone).toEqual(['v/a.mp4', 'v/b.mp4'])
      for (const names of [
        [spelling, 'v/a.mp4'],
        ['v/a.mp4', spelling],
      ])
        expect(messageOf(() => readVideos(rows(...names), { fixedForm: true }))).toMatch(
          /^MANIFEST_INVALID .*list\.csv:3: expected one spelling/,
        )
      expect(readVideos(rows(spelling, 'v/a.mp4')).sources[0].repeated).toHaveLength(1)
    },
  )

  test('in a fixed form the same spelling twice is one video', () => {
    const list = write('path,label\nv/a.mp4,red\nv/a.mp4,red\nv/b.mp4,red\n')
    expect(listVideos(list, { fixedForm: true }).map(({ id }) => id)).toEqual(['v/a.mp4', 'v/b.mp4'])
  })

  test.each([
    ['a video of another extension', 'w/c', 'w/c.mp4', 'w/c.webm'],
    ['a file without extension', 'w/c', 'w/c.mp4', 'w/c'],
    [
      'a file with the accents apart',
      `w/${'é.mp4'.normalize('NFC')}`,
      `w/${'é.mp4'.normalize('NFD')}`,
      `w/${'é.mp4'.normalize('NFC')}`,
    ],
    [
      'a folder with the accents apart',
      `w/${'é'.normalize('NFC')}/d.mp4`,
      `w/${'é'.normalize('NFD')}/d.mp4`,
      `w/${'é'.normalize('NFC')}/d.mp4`,
    ],
    ['a file with a backslash in its name', 'w\\c.mp4', 'w/c.mp4', 'w\\c.mp4'],
  ])('in a fixed form %s does not take the place of the file of a row', (_, row, before, added) => {
    rmSync(inFolder('w'), { recursive: true, force: true })
    const list = write(`path,label\nv/a.mp4,red\n${row},red\n`)
    const add = (name: string): void => {
      mkdirSync(path.dirname(inFolder(name)), { recursive: true })
      writeFileSync(inFolder(name), name)
    }
    add(before)
    expect(listVideos(list, { fixedForm: true }).map((entry) => entry.path)).toEqual([
      inFolder('v/a.mp4'),
      inFolder(before),
    ])
    add(added)
    expect(messageOf(() => readVideos(list, { fixedForm: true }))).toMatch(
      /^MANIFEST_INVALID .*list\.csv:3: expected a path that names one file/,
    )
    rmSync(inFolder(added), { recursive: true })
    rmSync(inFolder('w'), { recursive: true, force: true })
  })

  test('in a fixed form a file whose name is a path with its label does not take over the row', () => {
    const list = write('path label split\nv/a.mp4 blue train\nv/b.mp4 red test\n')
    const before = listVideos(list, { fixedForm: true })
    expect(before.map(({ id, label, split }) => [id, label, split])).toEqual([
      ['v/a.mp4', 'blue', 'train'],
      ['v/b.mp4', 'red', 'test'],
    ])
    for (const name of ['v/a.mp4 blue', 'v/a.mp4 blue train', 'v/b.mp4 red']) writeFileSync(inFolder(name), name)
    expect(listVideos(list, { fixedForm: true })).toEqual(before)
    for (const name of ['v/a.mp4 blue', 'v/a.mp4 blue train', 'v/b.mp4 red']) rmSync(inFolder(name))
  })

  test('in a fixed form a path with blanks has to be quoted', () => {
    writeFileSync(inFolder('v/my clip.mp4'), 'clip')
    const bare = write('path label\nv/a.mp4 red\nv/my clip.mp4 red\n')
    expect(listVideos(bare).map(({ id }) => id)).toEqual(['v/a.mp4', 'v/my clip.mp4'])
    expect(messageOf(() => readVideos(bare, { fixedForm: true }))).toMatch(/^LIST_FORM_OPEN .*list\.csv:3/)
    const quoted = write('path label\nv/a.mp4 red\n"v/my clip.mp4" red\n')
    expect(listVideos(quoted, { fixedForm: true }).map(({ id }) => id)).toEqual(['v/a.mp4', 'v/my clip.mp4'])
    rmSync(inFolder('v/my clip.mp4'))
  })

  test('several sources: ids begin with the number of their source', () => {
    const list = write('v/a.mp4\nv/b.mp4\n')
    const { entries, sources } = readVideos([list, inFolder('v/a.mp4')])
    expect(entries.map(({ id }) => id)).toEqual(['0/v/a.mp4', '0/v/b.mp4', '1/a.mp4'])
    expect(sources.map(({ kind, videos }) => [kind, videos])).toEqual([
      ['list', 2],
      ['video', 1],
    ])
  })

  test('a source that is no file, or a link in a circle, is refused at once', () => {
    expect(messageOf(() => listVideos('/dev/zero'))).toMatch(/^VIDEO_SOURCE_UNREADABLE .*pipe, socket or device/)
    symlinkSync(inFolder('circle'), inFolder('circle'))
    expect(messageOf(() => listVideos(inFolder('circle')))).toMatch(/^VIDEO_SOURCE_UNREADABLE .*ELOOP/)
  })
})

test('labels that read as missing values are named, with their rows', () => {
  const file = write('"","path","label","group"\n"1","v/a.mp4",NA,g1\n"2","v/b.mp4","red",NA\n"3","v/id7.webm",NA,NA\n')
  const { entries, sources } = readVideos(file)
  expect(entries.map(({ label }) => label)).toEqual(['NA', 'red', 'NA'])
  expect(entries.map(({ group }) => group)).toEqual(['g1', undefined, undefined])
  expect(sources[0].warnings).toEqual([
    expect.stringMatching(/^the label NA of 2 rows is read as the name of a class;/),
  ])
  expect(readVideos(write('path,label\nv/a.mp4,red\nv/b.mp4,\n')).sources[0].warnings).toEqual([])
})
