/** Encoders of groups are hours of work: what certification would refuse behind them is refused before them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { certifyCommand } from '../../src/cli/certify.ts'
import { type CertifyCommandOptions, certify } from '../../src/cli/commands/certify.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { optionsWith } from '../support/options-with.ts'

vi.setConfig({ testTimeout: 600_000 })

const folder = folderForTests('videomae-group-plan-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

/** Only digests are looked at here, so any bytes will do. */
const clips = Array.from({ length: 16 }, (_, i) => {
  writeFileSync(inFolder(`clip-${i}.mp4`), `content ${i}`)
  return `clip-${i}.mp4`
})

function list(name: string, labelOf: (i: number) => string, groupOf?: (i: number) => string): string {
  const rows = clips.map((clip, i) => {
    const group = groupOf === undefined ? '' : `,${groupOf(i)}`
    return `${clip},${labelOf(i)},${i % 4 === 0 ? 'test' : 'train'}${group}`
  })
  writeFileSync(inFolder(name), `path,label,split${groupOf === undefined ? '' : ',group'}\n${rows.join('\n')}\n`)
  return inFolder(name)
}

const plain = list('plain.csv', (i) => (i % 2 === 0 ? 'walk' : 'run'))
const unlabeled = list('unlabeled.csv', (i) => (i === 5 ? '' : i % 2 === 0 ? 'walk' : 'run'))

let runs = 0
async function refusal(data: string, more: Partial<CertifyCommandOptions>) {
  const out = inFolder(`out-${runs++}`)
  const options = {
    rule: 'groups',
    groups: 2,
    partitions: '4',
    groupRecipe: 'laptop-pretrain',
    quiet: true,
    json: true,
  }
  const error = await certifyCommand(data, optionsWith(certify, { ...options, ...more, out })).then(
    () => null,
    (thrown: { code: string; message: string }) => thrown,
  )
  // Neither a list nor an encoder was made.
  expect(existsSync(path.join(out, 'groups'))).toBe(false)
  return { code: error?.code, message: error?.message }
}

describe('before encoders of groups are pretrained, certify refuses', () => {
  test('rows that their label takes out of a group, where labels are what may change', async () => {
    expect(await refusal(unlabeled, { threat: 'label_flip' })).toMatchObject({
      code: 'ROWS_WITHOUT_CLASS',
      message: expect.stringContaining('clip-5.mp4'),
    })
    expect(await refusal(unlabeled, { threat: 'label_flip', groupRecipe: undefined, stage: 'groups' })).toMatchObject({
      code: 'ROWS_WITHOUT_CLASS',
    })
  })

  test('rules and claims that encoders of groups do not allow', async () => {
    const counts = { code: 'THREAT_NOT_CERTIFIED', message: expect.stringContaining('rule "dpa" counts one') }
    expect(await refusal(plain, { rule: 'groups,dpa' })).toMatchObject(counts)
    expect(await refusal(plain, { rule: 'fa', threat: 'label_flip' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('rules on disjoint partitions'),
    })
    expect(await refusal(plain, { threat: 'source' })).toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    expect(await refusal(plain, { labelsUsed: true })).toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    // A scale that protected videos fix is shared by all groups.
    expect(await refusal(plain, { trusted: plain })).toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    expect(await refusal(plain, { trust: 'external' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no trust with several encoders'),
    })
    expect(await refusal(plain, { trainedOn: plain })).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('learners that have no part in a group, and groups without videos', async () => {
    expect(await refusal(plain, { learner: 'attentive' })).toMatchObject({ code: 'LEARNER_NOT_GROUPED' })
    const few = { groups: 40, partitions: '40' }
    expect(await refusal(plain, few)).toMatchObject({ code: 'ENCODER_GROUP_EMPTY' })
    expect(await refusal(plain, { by: 'source', threat: 'source' })).toMatchObject({ code: 'GROUP_MISSING' })
  })

  test('one id with several sources', async () => {
    const split = inFolder('split.csv')
    const parts = (i: number) =>
      i === 5
        ? `${clips[5]},0,1,a,walk,train\n${clips[5]},1,2,b,walk,train`
        : `${clips[i]},,,s${i},run,${i % 4 === 0 ? 'test' : 'train'}`
    writeFileSync(split, `path,start,end,group,label,split\n${clips.map((_, i) => parts(i)).join('\n')}\n`)
    expect(await refusal(split, { by: 'source', threat: 'source' })).toMatchObject({ code: 'VIDEO_SPLIT' })
  })

  test('recipes that do not exist or do not start from fresh weights', async () => {
    expect(await refusal(plain, { groupRecipe: 'no-such-recipe' })).toMatchObject({
      message: expect.stringContaining('no-such-recipe'),
    })
    writeFileSync(inFolder('continued.yaml'), 'model:\n  from: checkpoints/run\n')
    expect(await refusal(plain, { groupRecipe: inFolder('continued.yaml') })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('model.from'),
    })
  })
})

test('lists of groups hold every protected video once; rows without a label are in none', async () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const out = inFolder('lists')
  const options = { rule: 'groups', groups: 2, stage: 'groups', quiet: true, json: true } as const
  await certifyCommand(unlabeled, optionsWith(certify, { ...options, out })).finally(() => write.mockRestore())
  const names = readdirSync(path.join(out, 'groups')).sort()
  // The last one records what was written, so that a list that somebody edits is not replaced.
  const [lists, record] = [names.slice(0, 2), names.slice(2)]
  expect(lists).toEqual(['group-0.csv', 'group-1.csv'])
  expect(record).toEqual(['group-lists.json'])
  const listed = lists
    .flatMap((name) =>
      readFileSync(path.join(out, 'groups', name), 'utf8')
        .trim()
        .split('\n')
        .slice(1),
    )
    .map((row) => path.basename(row.split(',')[0]))
  const training = clips.filter((_, i) => i % 4 !== 0 && i !== 5)
  expect(listed.sort()).toEqual(training.sort())
})
