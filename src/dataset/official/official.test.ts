/** Official layouts in small: which video gets which class, part and group, and what is said of the rest. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readVideos } from '../../video/source.ts'
import { type OfficialName, officialNames, writeOfficialDataset } from './official.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-official-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Writes files; videos are empty, as none is read. */
async function lay(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = path.join(folder, name)
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true })
    await writeFile(path.join(root, file), text)
  }
  return root
}
const videos = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'x']))

async function made(name: OfficialName, root: string, annotations?: string) {
  const out = `${root}-lists`
  const dataset = await writeOfficialDataset(name, root, { out, annotations })
  const rows = (list: string) =>
    readVideos(path.join(out, list)).entries.map(({ path: file, label, group, split }) =>
      [path.relative(root, file).replaceAll('\\', '/'), label, split, group ?? ''].join(' | '),
    )
  const classes = await readFile(path.join(out, 'classes.txt'), 'utf8')
  return { dataset, rows, out, classes: classes.trimEnd().split('\n') }
}

const ucf = {
  'lists/classInd.txt': '1 JumpingJack\r\n2 JumpRope\r\n3 YoYo\r\n',
  'lists/trainlist01.txt': 'JumpingJack/v_JumpingJack_g01_c01.avi 1\nJumpRope/v_JumpRope_g01_c01.avi 2\n',
  'lists/testlist01.txt': 'JumpingJack/v_JumpingJack_g02_c01.avi\nYoYo/v_YoYo_g01_c01.avi\n',
  'lists/trainlist02.txt': 'JumpingJack/v_JumpingJack_g02_c01.avi 1\n',
  'lists/testlist02.txt': 'JumpRope/v_JumpRope_g01_c01.avi\n',
  'lists/trainlist03.txt': 'JumpingJack/v_JumpingJack_g02_c01.avi 1\n',
  'lists/testlist03.txt': 'JumpRope/v_JumpRope_g01_c01.avi\n',
}

describe('ucf101', () => {
  test('has its splits, groups and order of classes', async () => {
    const root = await lay('ucf', {
      ...ucf,
      ...videos('JumpingJack/v_JumpingJack_g01_c01.avi', 'JumpingJack/v_JumpingJack_g02_c01.mp4'),
      ...videos('JumpRope/v_JumpRope_g01_c01.avi', 'other.avi'),
    })
    const { dataset, rows, classes } = await made('ucf101', root)
    expect(rows('split1.csv')).toEqual([
      'JumpingJack/v_JumpingJack_g01_c01.avi | JumpingJack | train | JumpingJack_g01',
      'JumpRope/v_JumpRope_g01_c01.avi | JumpRope | train | JumpRope_g01',
      'JumpingJack/v_JumpingJack_g02_c01.mp4 | JumpingJack | test | JumpingJack_g02',
    ])
    expect(rows('split2.csv')).toHaveLength(2)
    expect(classes).toEqual(['JumpingJack', 'JumpRope', 'YoYo'])
    expect(dataset).toMatchObject({
      lists: [{ parts: { train: 2, test: 1 } }, { parts: { train: 1, test: 1 } }, {}],
      ...{ missing: ['v_YoYo_g01_c01'], unlisted: ['other.avi'], emptyClasses: ['YoYo'] },
    })
    expect(await readFile(`${root}-lists/missing.txt`, 'utf8')).toBe('v_YoYo_g01_c01\n')
  })

  test('names the line that is not as it should be', async () => {
    const wrong = { ...ucf, 'lists/testlist02.txt': '\nWalking/v_Walking_g01_c01.avi\n' }
    const root = await lay('ucf-wrong', { ...wrong, ...videos('a/v_JumpRope_g01_c01.avi') })
    await expect(made('ucf101', root)).rejects.toMatchObject({
      ...{ code: 'DATASET_INVALID', exit: 'data', message: expect.stringMatching(/line 2 of .*testlist02\.txt/) },
    })
  })
})

test('hmdb51 leaves out clips that are in no part, and tells files of one name by their folders', async () => {
  const split = (n: number) => ({
    [`splits/run_test_split${n}.txt`]: 'a (1).avi 1 \nb.avi 2 \nc.avi 0 \n',
    [`splits/sit_up_test_split${n}.txt`]: 'b.avi 1 \nd.avi 2 \n',
  })
  const annotations = await lay('hmdb-splits', { ...split(1), ...split(2), ...split(3) })
  const root = await lay(
    'hmdb',
    videos('run/a (1).avi', 'run/b.avi', 'run/c.avi', 'sit_up/b.avi', 'x/d.avi', 'y/d.avi'),
  )
  const { dataset, rows, classes } = await made('hmdb51', root, annotations)
  expect(rows('split3.csv')).toEqual([
    'run/a (1).avi | run | train | ',
    'run/b.avi | run | test | ',
    'sit_up/b.avi | sit_up | train | ',
  ])
  expect(classes).toEqual(['run', 'sit_up'])
  // Which of two files d is, nothing tells.
  expect(dataset.missing).toEqual(['d'])
})

test('ssv2 takes classes from templates, in the order of their numbers', async () => {
  const item = (id: string, template: string) => ({ id, label: 'x', template, placeholders: [] })
  const root = await lay('ssv2', {
    'labels/labels.json': JSON.stringify({ 'Turning something': '1', 'Moving something, up': '0' }),
    'labels/train.json': JSON.stringify([item('7', 'Turning [something]'), item('8', 'Moving [something], up')]),
    'labels/validation.json': JSON.stringify([item('9', 'Turning [something]')]),
    'labels/test-answers.csv': '10;Moving something, up\n',
    ...videos('videos/7.webm', 'videos/8.webm', 'videos/9.webm', 'videos/10.webm'),
  })
  const { rows, classes } = await made('ssv2', root)
  expect(classes).toEqual(['Moving something, up', 'Turning something'])
  expect(rows('ssv2.csv')).toEqual([
    'videos/7.webm | Turning something | train | ',
    'videos/8.webm | Moving something, up | train | ',
    'videos/9.webm | Turning something | validation | ',
    'videos/10.webm | Moving something, up | test | ',
  ])
})

test('kinetics names files by their seconds, and groups them by the video they are cut from', async () => {
  const header = 'label,youtube_id,time_start,time_end,split\n'
  const root = await lay('kinetics', {
    'kinetics400_train.csv': `${header}"air drumming",-0abc_x,5,15,train\nzumba,-0abc_x,20,30,train\nzumba,gone,0,10,train\n`,
    'validate.csv': `${header}air drumming,zz,0,10,val\n`,
    'test.csv': 'youtube_id,time_start,time_end,split\nq,0,10,test\n',
    ...videos('train/air drumming/-0abc_x_000005_000015.mp4', 'train/zumba/-0abc_x_000020_000030.mkv'),
    ...videos('val/air_drumming/zz_000000_000010.mp4', 'replacement/zz_000000_000010.mp4'),
  })
  const { dataset, rows, classes } = await made('kinetics', root)
  expect(rows('kinetics.csv')).toEqual([
    'train/air drumming/-0abc_x_000005_000015.mp4 | air drumming | train | -0abc_x',
    'train/zumba/-0abc_x_000020_000030.mkv | zumba | train | -0abc_x',
    'val/air_drumming/zz_000000_000010.mp4 | air drumming | validation | zz',
  ])
  expect(classes).toEqual(['air drumming', 'zumba'])
  expect(dataset.missing).toEqual(['gone_000000_000010'])
  expect(dataset.notes).toEqual([expect.stringMatching(/^1 rows of .*test\.csv have no label/)])
})

describe('a data set', () => {
  test('without annotation files says which are missing; without its videos, so', async () => {
    const empty = await lay('empty', videos('a.avi'))
    for (const name of officialNames)
      await expect(made(name, empty), name).rejects.toMatchObject({ code: 'DATASET_INCOMPLETE', exit: 'data' })
    const none = await lay('none', { ...ucf, ...videos('a.avi') })
    await expect(made('ucf101', none)).rejects.toMatchObject({
      ...{ code: 'DATASET_INCOMPLETE', message: expect.stringContaining('v_JumpingJack_g01_c01') },
    })
  })

  test('with two files that could be meant is refused', async () => {
    const root = await lay('two', { ...ucf, 'old/classInd.txt': '1 A\n', ...videos('v_JumpRope_g01_c01.avi') })
    await expect(made('ucf101', root)).rejects.toMatchObject({ code: 'DATASET_INVALID' })
    expect((await made('ucf101', root, path.join(root, 'lists'))).dataset.lists).toHaveLength(3)
  })

  test('does not take the file of another class for a video that is missing', async () => {
    const lists = (n: number) => ({
      [`run_test_split${n}.txt`]: 'a.avi 1\nb.avi 0\n',
      [`sit_test_split${n}.txt`]: 'b.avi 2\nc.avi 1\nc.avi 1\n',
    })
    const annotations = await lay('other-splits', { ...lists(1), ...lists(2), ...lists(3) })
    const root = await lay('other', videos('run/a.avi', 'run/b.avi', 'elsewhere/c.avi'))
    const { dataset, rows } = await made('hmdb51', root, annotations)
    expect(rows('split1.csv')).toEqual(['run/a.avi | run | train | ', 'elsewhere/c.avi | sit | train | '])
    expect(dataset.missing).toEqual(['b'])
  })

  test.each([
    ['two parts', 'a.avi 1\na.avi 2\n', 'run (train) and run (test)'],
    ['two classes', 'c.avi 1\n', 'run (train) and sit (train)'],
  ])('with a video of %s is refused: no command reads such a list', async (name, run, told) => {
    const lists = (n: number) => ({ [`run_test_split${n}.txt`]: run, [`sit_test_split${n}.txt`]: 'c.avi 1\n' })
    const root = await lay(`of ${name}`, { ...lists(1), ...lists(2), ...lists(3), ...videos('a.avi', 'c.avi') })
    await expect(made('hmdb51', root)).rejects.toMatchObject({
      ...{ code: 'DATASET_INVALID', message: expect.stringContaining(told) },
    })
  })

  test('replaces its own lists and no others', async () => {
    const root = await lay('own', { ...ucf, ...videos('v_JumpRope_g01_c01.avi') })
    await made('ucf101', root)
    const { out } = await made('ucf101', root)
    await writeFile(path.join(out, 'dataset.json'), '{"mine": 1}')
    await expect(made('ucf101', root)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  })
})
