/** Which rows are protected, predicted or left out: each by itself, so that an attacker's rows decide about themselves only. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { compareClassNames, otherClasses } from '../../src/certify/threat/class-names.ts'
import {
  type CertifyVideosOptions,
  checkCertificationPlan,
  planCertification,
  planVideos,
} from '../../src/certify/videos/plan.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-rows-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

/** Only digests are looked at here, so any bytes will do. */
function file(name: string, content = name): string {
  mkdirSync(path.dirname(inFolder(name)), { recursive: true })
  writeFileSync(inFolder(name), content)
  return name
}

function list(name: string, header: string, rows: readonly string[]): string {
  writeFileSync(inFolder(name), `${header}\n${rows.join('\n')}\n`)
  return inFolder(name)
}

const plan = async (data: string, options: Partial<CertifyVideosOptions> = {}) => {
  const { split, classes } = await planVideos({ data, cache: inFolder('cache'), ...options })
  const { train, test, leftOut, rows } = split
  expect(train.length + test.length + leftOut.length).toBe(rows)
  return {
    classes,
    train: train.map(({ id }) => id).sort(),
    test: test.map(({ id }) => id).sort(),
    leftOut: leftOut.map(({ id, code }) => `${id} ${code}`),
    classOf: new Map([...train, ...test].map((video) => [video.id, classes[video.class]])),
  }
}
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: { code?: string }) => error.code,
  )

const clips = Array.from({ length: 24 }, (_, i) => file(`clip-${i}.mp4`))
const labels = clips.map((_, i) => ['walk', 'run', 'jump'][i % 3])

describe('an inserted row decides about itself only', () => {
  test.each([
    ['a split', 'train'],
    ['another split', 'test'],
    ['a split that is none', 'tarin'],
    ['validation', 'validation'],
    ['no part', 'unlisted'],
  ])('%s among rows without one', async (_, split) => {
    const rows = clips.map((name, i) => `${name},${labels[i]},`)
    const before = await plan(list('plain.csv', 'path,label,split', rows))
    const more = [file('new-1.mp4'), file('new-2.mp4')].map((name) => `${name},walk,${split}`)
    const after = await plan(list('more.csv', 'path,label,split', [...more, ...rows]))
    const old = (ids: readonly string[]) => ids.filter((id) => !id.startsWith('new'))
    expect(before.train.length).toBeGreaterThan(10)
    expect(before.test.length).toBeGreaterThan(0)
    expect([old(after.train), old(after.test)]).toEqual([before.train, before.test])
    const added = [...after.train, ...after.test, ...after.leftOut].filter((id) => id.startsWith('new'))
    expect(added).toHaveLength(2)
  })

  test('a row without a label, with a reserved name, without a file', async () => {
    const rows = clips.map((name, i) => `${name},${labels[i]}`)
    const before = await plan(list('labels.csv', 'path,label', rows))
    const odd = [`${file('nameless.mp4')},`, `${file('reserved.mp4')},"${otherClasses[0]}"`, 'missing.mp4,walk']
    const after = await plan(list('odd.csv', 'path,label', [...rows, ...odd]))
    expect([after.train, after.test, after.classes]).toEqual([before.train, before.test, before.classes])
    expect(after.leftOut).toEqual(['nameless.mp4 no label', 'reserved.mp4 unknown class', 'missing.mp4 unreadable'])
  })

  test('a group or a time that is missing where it counts', async () => {
    const rows = clips.map(
      (name, i) => `${name},${labels[i]},camera ${i % 8},2024-01-${10 + i},${i < 16 ? 'train' : 'test'}`,
    )
    const header = 'path,label,group,time,split'
    const odd = [`${file('alone.mp4')},walk,,2024-01-12,train`, `${file('whenever.mp4')},walk,camera 9,,train`]
    const late = [`${file('late.mp4')},walk,camera 9,2025-01-01,train`, `${file('seven.mp4')},walk,camera 9,7,train`]
    const data = list('sources.csv', header, [...rows, ...odd, ...late])
    expect((await plan(data, { by: 'source' })).leftOut).toEqual(['alone.mp4 no group'])
    const timed = await plan(data, { by: 'time', periods: { until: '2024-02-01', length: '7d' } })
    expect(timed.leftOut).toEqual(['whenever.mp4 no time', 'late.mp4 outside the periods', 'seven.mp4 invalid time'])
    expect(timed.train).toHaveLength(17)
  })
})

test('copies, their labels, and groups on both sides are named', async () => {
  const rows = clips.map((name, i) => `${name},${labels[i]},camera ${i % 8},${i < 16 ? 'train' : 'test'}`)
  const data = list('groups.csv', 'path,label,group,split', rows)
  const notes: string[] = []
  const warnings = () => notes.splice(0).flatMap((note) => note.match(/warning: (.*)/)?.[1] ?? [])
  await plan(data, { onNote: (note) => notes.push(note) })
  expect(warnings()).toEqual([expect.stringMatching(/^8 groups are on several sides of the split, .* of one group/)])
  const copies = [
    `${file('copy-1.mp4', clips[0])},jump,camera 0,train`,
    `${file('copy-2.mp4', clips[20])},${labels[20]},camera 9,test`,
  ]
  await plan(list('copies.csv', 'path,label,group,split', [...rows, ...copies]), { onNote: (note) => notes.push(note) })
  expect(warnings().slice(0, 3)).toEqual([
    '1 file content occurs more than once, e.g. clip-0.mp4 = copy-1.mp4; copies of one content are one video.',
    '1 file content has several labels, e.g. clip-0.mp4 (walk) and copy-1.mp4 (jump).',
    '1 file content occurs more than once, e.g. clip-20.mp4 = copy-2.mp4; each copy is predicted and counted.',
  ])
})

describe('the white-box certificate, which is about labels that become another class,', () => {
  const rowsOf = (label: string) =>
    clips.map((name, i) => `${name},${i === 5 ? label : labels[i]},${i % 4 === 0 ? 'test' : 'train'}`)
  const check = async (rows: readonly string[], whiteBox: boolean, classes?: readonly string[]) => {
    const data = list('labels.csv', 'path,label,split', rows)
    const planned = await planCertification({ data, from: 'pixels', cache: inFolder('cache'), classes })
    checkCertificationPlan(planned, 'content', ['dpa'], 'label_flip', whiteBox)
  }
  const declared = ['walk', 'run', 'jump']

  test.each([
    ['that is empty', '', undefined],
    ['that is not declared', 'zzz', declared],
    ['that is reserved', otherClasses[0], undefined],
  ])('has no answer where a label %s takes its sample out', async (_, label, classes) => {
    await expect(check(rowsOf(label), true, classes)).rejects.toMatchObject({
      code: 'ROWS_WITHOUT_CLASS',
      message: expect.stringContaining('clip-5.mp4'),
    })
    // Rules that count votes allow for a sample that is taken out.
    await check(rowsOf(label), false, classes)
  })

  test.each([
    ['that is empty', '', undefined],
    ['that is not declared', 'zzz', declared],
  ])(
    'nor has one about labels with encoder groups: a label %s changes the data of an encoder',
    async (_, label, classes) => {
      const data = list('labels.csv', 'path,label,split', rowsOf(label))
      const planned = await planCertification({ data, from: ['pixels', 'pixels'], cache: inFolder('cache'), classes })
      expect(() => checkCertificationPlan(planned, 'content', ['dpa'], 'label_flip')).toThrow(
        expect.objectContaining({ code: 'ROWS_WITHOUT_CLASS' }),
      )
      // Where videos may be removed, a label may be, too.
      checkCertificationPlan(planned, 'content', ['groups'], 'general')
    },
  )

  test('has none for folders, where a label is a path and can hide a video', async () => {
    for (const name of ['train/walk/1', 'train/run/2', 'train/run/3', 'test/walk/4'])
      file(`parts-of-labels/${name}.mp4`)
    const data = inFolder('parts-of-labels')
    for (const from of ['pixels', ['pixels', 'pixels']]) {
      const planned = await planCertification({ data, from, split: 'folders', cache: inFolder('cache') })
      expect(() => checkCertificationPlan(planned, 'content', ['dpa'], 'label_flip', true)).toThrow(
        expect.objectContaining({ code: 'ROWS_WITHOUT_CLASS', message: expect.stringContaining('is a folder') }),
      )
      checkCertificationPlan(planned, 'content', [from === 'pixels' ? 'dpa' : 'groups'], 'general')
    }
    // The videos to predict may be in one: their labels are not the attacker's.
    const list_ = list(
      'labels.csv',
      'path,label',
      clips.map((name, i) => `${name},${labels[i]}`),
    )
    const planned = await planCertification({
      data: list_,
      test: inFolder('parts-of-labels', 'test'),
      from: 'pixels',
      cache: inFolder('cache'),
    })
    checkCertificationPlan(planned, 'content', ['dpa'], 'label_flip', true)
  })

  test('takes any other label, and rows to predict without one', async () => {
    await check(rowsOf('run'), true, declared)
    await check(rowsOf('a new class'), true)
    await check([...rowsOf('run'), `${file('unlabeled.mp4')},,test`], true)
  })
})

test('names with accents written apart are those of the declared classes', async () => {
  const [apart, composed] = (['NFD', 'NFC'] as const).map((form) => 'grün'.normalize(form))
  const rows = clips.map((name, i) => `${name},${i % 2 === 0 ? 'blau' : i % 4 === 1 ? apart : composed}`)
  const data = list('accents.csv', 'path,label', rows)
  for (const name of [apart, composed])
    expect(await plan(data, { classes: ['blau', name] })).toMatchObject({ leftOut: [], classes: ['blau', composed] })
  for (const [i, name] of [apart, composed].entries()) file(`accents/${name}/${i}.mp4`)
  for (let i = 2; i < 12; i++) file(`accents/blau/${i}.mp4`)
  expect((await plan(inFolder('accents'))).classes.slice(otherClasses.length)).toEqual(['blau', composed])
})

test.each([
  ['links in a circle', 'circle', 'VIDEO_SOURCE_UNREADABLE'],
  ['a file as a folder', 'clip-0.mp4/data', 'VIDEO_SOURCE_NOT_FOUND'],
  ['a name that is too long', 'a'.repeat(5000), 'VIDEO_SOURCE_UNREADABLE'],
])('%s in the place of data is refused as it is elsewhere', async (_, name, expected) => {
  if (name === 'circle') symlinkSync(name, inFolder(name))
  expect(await code(plan(inFolder(name)))).toBe(expected)
})

describe('rows that give no video', () => {
  test('are in the record: a row twice, a folder in the place of a file, a broken link of a folder', async () => {
    mkdirSync(inFolder('frames'), { recursive: true })
    const rows = [...clips.map((name, i) => `${name},${labels[i]}`), `${clips[0]},${labels[0]}`, 'frames,walk']
    const read = await plan(list('twice.csv', 'path,label', rows))
    expect(read.leftOut).toEqual(['frames (line 27) unusable', 'clip-0.mp4 (line 26) repeated'])
    expect(read.train.length + read.test.length).toBe(clips.length)
    for (let i = 0; i < 12; i++) file(`links/${labels[i]}/${i}.mp4`)
    symlinkSync('/nonexistent.mp4', inFolder('links', 'walk', 'gone.mp4'))
    const notes: string[] = []
    expect((await plan(inFolder('links'), { onNote: (note) => notes.push(note) })).leftOut).toEqual([
      'walk/gone.mp4 unusable',
    ])
    expect(notes[0]).toMatch(/^read .*links as a folder, 12 videos; label: folders \(3 classes\); 1 unusable$/)
  })
})

describe('classes', () => {
  const rows = clips.map((name, i) => `${name},${labels[i]}`)

  test('are any names where none are declared: two outputs are for those that an attacker may invent', async () => {
    const data = list('any.csv', 'path,label', rows)
    expect((await plan(data)).classes).toEqual([...otherClasses, 'jump', 'run', 'walk'])
    const more = await plan(list('invented.csv', 'path,label', [...rows, `${file('invented.mp4')},aaa`]))
    expect(more.classes).toEqual([...otherClasses, 'aaa', 'jump', 'run', 'walk'])
  })

  test('are declared, or read from a file; a video with another label is left out', async () => {
    const data = list('declared.csv', 'path,label', [...rows, `${file('stranger.mp4')},aaa`])
    const names = ['walk', 'run', 'jump', 'sit']
    writeFileSync(inFolder('names.txt'), `${names.join('\r\n')}\n`)
    writeFileSync(inFolder('config.json'), JSON.stringify({ id2label: { 1: 'run', 0: 'walk', 2: 'jump', 3: 'sit' } }))
    for (const classes of [names, [inFolder('names.txt')], [inFolder('config.json')]]) {
      const read = await plan(data, { classes })
      expect(read.classes).toEqual(names)
      expect(read.leftOut).toEqual(['stranger.mp4 unknown class'])
      expect(read.classOf.get(read.train[0])).toBe(labels[clips.indexOf(read.train[0])])
    }
    expect(await code(plan(data, { classes: ['walk', 'walk'] }))).toBe('INVALID_ARGUMENT')
    expect(await code(plan(data, { classes: ['walk'] }))).toBe('CLASSES_TOO_FEW')
    for (const content of ['{"id2label":', 'null', '{}', '{"id2label": {"a": "walk"}}', '{"id2label": {"0": 1}}']) {
      writeFileSync(inFolder('damaged.json'), content)
      expect(await code(plan(data, { classes: [inFolder('damaged.json')] })), content).toBe('CLASSES_INVALID')
    }
    writeFileSync(inFolder('latin1.txt'), Buffer.from('walk\nr\xfcn\n', 'latin1'))
    await expect(plan(data, { classes: [inFolder('latin1.txt')] })).rejects.toMatchObject({
      code: 'CLASSES_INVALID',
      message: expect.stringContaining('latin1.txt'),
    })
    writeFileSync(inFolder('utf16.txt'), Buffer.from('\uFEFFwalk\r\nrun\r\njump\r\n', 'utf16le'))
    expect((await plan(data, { classes: [inFolder('utf16.txt')] })).classes).toEqual(['walk', 'run', 'jump'])
    expect(await code(plan(data, { classes: ['sit', 'stand'] }))).toBe('PROTECTED_SET_EMPTY')
  })

  test('have one order, which no third name changes', () => {
    const names = ['10', '9', 'b', 'a', '09', 'a1', 'B', '1e3', '']
    const sorted = [...names].sort(compareClassNames)
    expect(sorted.slice(0, 3)).toEqual(['09', '9', '10'])
    for (const [i, a] of sorted.entries())
      for (const b of sorted.slice(i + 1)) expect([a, b].sort(compareClassNames)).toEqual([a, b])
  })
})

describe('with training and test data named apart', () => {
  test('rows of other parts are left out on both sides', async () => {
    const rows = clips.map((name, i) => `${name},${labels[i]},${['train', 'test', 'validation', ''][i % 4]}`)
    const data = list('both.csv', 'path,label,split', rows)
    const read = await plan(data, { test: data })
    expect([read.train.length, read.test.length, read.leftOut.length]).toEqual([12, 12, 24])
    expect(new Set(read.leftOut.map((text) => text.split(' ').slice(1).join(' ')))).toEqual(new Set(['other part']))
  })
})

describe('folders', () => {
  test('called train and test are not guessed to be parts: one file more would change the guess', async () => {
    for (const [i, name] of clips.entries())
      file(`parts/${i % 4 === 0 ? 'test' : 'train'}/${labels[i]}/${name}`, `${name} in parts`)
    expect(await code(plan(inFolder('parts')))).toBe('SPLIT_AMBIGUOUS')
    const before = await plan(inFolder('parts'), { split: 'folders' })
    expect([before.train.length, before.test.length]).toEqual([18, 6])
    file('parts/elsewhere/aaa/new.mp4')
    file('parts/test/train/aaa/new.mp4')
    const after = await plan(inFolder('parts'), { split: 'folders' })
    expect([after.train, after.test]).toEqual([before.train, before.test])
    expect(after.leftOut).toHaveLength(2)
    expect((await plan(inFolder('parts'), { split: 'hash' })).classes).toContain('walk')
  })

  test('of classes stay what they are', async () => {
    for (const [i, name] of clips.entries()) file(`plain/${labels[i]}/${name}`, `${name} in plain`)
    const before = await plan(inFolder('plain'))
    expect(before.classOf.get(before.train[0])).toBe(before.train[0].split('/')[0])
    file('plain/train/new.mp4')
    file('plain/loose.mp4')
    symlinkSync(inFolder('plain/train/new.mp4'), inFolder('plain/walk/again.mp4'))
    symlinkSync(inFolder('plain/nowhere.mp4'), inFolder('plain/walk/broken.mp4'))
    const after = await plan(inFolder('plain'))
    const old = (ids: readonly string[]) => ids.filter((id) => !/new|loose|again/.test(id))
    expect([old(after.train), old(after.test)]).toEqual([before.train, before.test])
    expect(after.leftOut).toEqual(['walk/broken.mp4 unusable'])
  })
})

describe('a list whose rows decide how it is read is refused: one row more could change what the others mean', () => {
  const twoPaths = clips.map((name, i) => `${name},${file(`cropped/${name}`)},${labels[i]}`)
  const starts = clips.map((name, i) => `${name},${labels[i]},,2.5`)
  const quoted = clips.map((name, i) => `${name},"${labels[i]}"`)
  test.each<[string, string, readonly string[], readonly string[]]>([
    [
      'two columns of paths, of which more exist in the second',
      'path,clip,label',
      twoPaths,
      [`missing.mp4,${clips[0]},walk`],
    ],
    [
      'a start that makes durations count',
      'path,label,start,end,duration',
      starts.map((row) => row.replace(',,', ',,,')),
      [`${file('started.mp4')},walk,0,,1`],
    ],
    [
      'seconds that put milliseconds aside',
      'path,label,end,end ms',
      clips.map((name, i) => `${name},${labels[i]},,2500`),
      [`${file('ended.mp4')},walk,2,`],
    ],
    [
      'two quotes around all other rows',
      'path,label',
      clips.map((name, i) => `${name},${labels[i]}`),
      [`${file('open.mp4')},"walk`, '"'],
    ],
    [
      'a row that R did not number',
      'path,label,group',
      clips.map((name, i) => `"${i}",${name},${labels[i]},`),
      [`${file('alone-in-r.mp4')},walk,`],
    ],
  ])('%s', async (_, header, rows, [first, last]) => {
    // Where both were read, they would have to be read alike; so one of them is not.
    const before = list('form.csv', header, rows)
    const after = list('changed.csv', header, [first, ...rows, ...(last === undefined ? [] : [last])])
    expect([await code(plan(before)), await code(plan(after))]).toContain('LIST_FORM_OPEN')
  })

  test('also where it has no header, is in a guessed encoding, or has an id that depends on other rows', async () => {
    expect(await code(plan(list('bare.csv', `${clips[0]},walk`, quoted)))).toBe('LIST_FORM_OPEN')
    file('\u00e9t\u00e9.mp4')
    const rows = [...clips.map((name, i) => `${name},gr\u00f6\u00dfe ${labels[i]}`)].join('\n')
    const mixed = Buffer.concat([
      Buffer.from(`path,label\n${rows}\n`),
      Buffer.from('\u00e9t\u00e9.mp4,walk\n', 'latin1'),
    ])
    writeFileSync(inFolder('mixed.csv'), mixed)
    expect(await code(plan(inFolder('mixed.csv')))).toBe('LIST_FORM_OPEN')
    const whole = file('clip-0.mp4#0-1')
    const parts = list('parts.csv', 'path,label,start,end', [
      `${whole},walk,,`,
      'clip-0.mp4,walk,0,1',
      'clip-1.mp4,run,,',
    ])
    expect(await code(plan(parts, { by: 'id' }))).toBe('MANIFEST_INVALID')
  })

  test('and none of what every row says by itself', async () => {
    const bare = (name: string) =>
      plan(
        list(
          `${name}.csv`,
          name,
          clips.map((clip, i) => `${clip},${labels[i]},,`),
        ),
      )
    for (const header of ['path,label,split,set', 'path,label,start,end', 'path;label;group;time'.replaceAll(';', ',')])
      expect((await bare(header)).leftOut).toEqual([])
    expect((await plan(list('two.csv', 'path,clip,label', twoPaths))).leftOut).toEqual([])
  })
})

test('a link to a folder that is linked already is refused: of two links the first gives the class', async () => {
  for (let i = 0; i < 12; i++) file(`store/${labels[i]}/${i}.mp4`)
  mkdirSync(inFolder('linked'))
  for (const name of new Set(labels)) symlinkSync(inFolder('store', name), inFolder('linked', name))
  expect((await plan(inFolder('linked'))).leftOut).toEqual([])
  symlinkSync(inFolder('store', 'walk'), inFolder('linked', 'aaa'))
  expect(await code(plan(inFolder('linked')))).toBe('VIDEO_FOLDER_REPEATED')
})
