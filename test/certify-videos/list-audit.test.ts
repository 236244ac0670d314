/** Attacks on lists and folders: sound certificates stand them, and a predictor that reads more than single rows is found out. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { auditLists, certifyData, type ListAuditOptions } from '../../src/certify/videos/audit/list-audit.ts'
import { auditVideos } from '../../src/certify/videos/audit-videos.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { listVideos } from '../../src/video/source.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-list-audit-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const videos = inFolder('videos')
beforeAll(async () => {
  await generateMotionDataset(videos, { clips: 30, size: 16, frames: 4, seed: 3, classes: ['left', 'right'] })
})

const options = (data: string, more: Partial<ListAuditOptions> = {}): ListAuditOptions => ({
  videos: {
    data,
    from: 'pixels',
    cache: inFolder('store'),
    workers: 1,
    threads: 1,
    learner: { kind: 'nearest_mean' },
    processes: decoding,
  },
  ...{ rules: ['dpa', 'roe', 'fa'], partitions: 6, spread: 2, threat: 'general', trials: 3, threads: 1 },
  folder: inFolder('attacked'),
  ...more,
})

function list(name: string, splitOf: (i: number) => string): string {
  const rows = listVideos(videos, { labelFromFolder: true }).map(
    ({ path: file, label = '' }, i) => `${file},${label},${splitOf(i)}`,
  )
  writeFileSync(inFolder(name), `path,label,split\n${rows.join('\n')}\n`)
  return inFolder(name)
}

describe('certificates of videos', () => {
  test('stand attacks on a list and on a folder, and nothing of these stays', async () => {
    const data = list('split.csv', (i) => (i % 4 === 0 ? 'test' : 'train'))
    for (const report of [await auditLists(options(data)), await auditLists(options(videos))]) {
      expect(report.violations).toEqual([])
      expect(report.checkedPredictions).toBeGreaterThan(0)
      expect(Object.values(report.acts).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(3)
    }
    expect(existsSync(inFolder('attacked'))).toBe(false)
  })

  test('stand odd names of files in a list that is separated by blanks', async () => {
    const rows = listVideos(videos, { labelFromFolder: true }).map(({ path: file, label }, i) =>
      [file, label, i % 4 === 0 ? 'test' : 'train'].join(' '),
    )
    const data = inFolder('separated by blanks.txt')
    writeFileSync(data, `${['path', 'label', 'split'].join(' ')}\n${rows.join('\n')}\n`)
    const lists = new Set<string>()
    const certified: ListAuditOptions['certified'] = async (attacked, given) => {
      lists.add(readFileSync(attacked, 'utf8').split('\n')[0])
      return certifyData(attacked, given)
    }
    const kinds = ['insert an odd name', 'insert a file named as a row'] as const
    const report = await auditLists(
      options(data, { ...{ certified, kinds, rules: ['dpa'], spread: undefined, trials: 8 } }),
    )
    expect([...lists]).toEqual([['path', 'label', 'split'].join(' ')])
    expect(report.acts['insert an odd name'] * report.acts['insert a file named as a row']).toBeGreaterThan(0)
    expect(report.violations).toEqual([])
    expect(report.checkedPredictions).toBeGreaterThan(0)
  })

  test('are found out where a file without a row takes over the row of another', async () => {
    const rows = listVideos(videos, { labelFromFolder: true }).map(({ path: file, label }) => `${file} ${label}`)
    const data = inFolder('taken.txt')
    writeFileSync(data, `path label\n${rows.join('\n')}\n`)
    // Reads a list without fixed form: the longest beginning of a row that exists is its path.
    const certified: ListAuditOptions['certified'] = async (attacked) => {
      const read = listVideos(attacked)
      const taken = read.some(({ path: file }) => /\.mp4 (left|right)$/.test(file))
      const certificate = { prediction: taken ? 'right' : 'left', radius: 1, rivals: ['right'] }
      return new Map([['dpa', new Map(read.map(({ id }) => [id, certificate]))]])
    }
    const report = await auditLists(options(data, { trials: 60, certified }))
    expect(report.acts['insert a file named as a row']).toBeGreaterThan(0)
    expect(report.violations.length).toBeGreaterThan(0)
    expect(report.violations.every(({ acts }) => acts.includes('insert a file named as a row'))).toBe(true)
  })

  test.each([
    // The class list is read off the data, and the first one wins ties.
    ['the first class of the list', (rows: readonly Row[]) => rows.map(({ label = '' }) => label).sort()[0]],
    // Whether there is a split is read off all rows.
    ['whether any row has a split', (rows: readonly Row[]) => String(rows.some(({ split }) => split !== undefined))],
    ['how many rows there are', (rows: readonly Row[]) => String(rows.length % 3)],
  ])('are found out where they depend on %s', async (_, predict) => {
    // Says that it is two poisoned samples, which it does not.
    const certified: ListAuditOptions['certified'] = async (data) => {
      const rows = listVideos(data, { labelFromFolder: true })
      const certificate = { prediction: predict(rows), radius: 2, rivals: ['right'] }
      return new Map([['dpa', new Map(rows.map(({ id }) => [id, certificate]))]])
    }
    const report = await auditLists(
      options(
        list('empty.csv', () => ''),
        { columns: ['label', 'split'], trials: 40, certified },
      ),
    )
    expect(report.violations.length).toBeGreaterThan(0)
  })
})

describe('the white-box certificate of ridge heads', () => {
  const ridge = (data: string, more: Partial<ListAuditOptions>) =>
    options(data, {
      videos: { ...options(data).videos, learner: { kind: 'ridge' } },
      ...{ rules: ['dpa'], partitions: 3, spread: undefined, threat: 'label_flip', whiteBox: true, trials: 8 },
      ...more,
    })

  test('stands labels that are flipped in the rows', async () => {
    const data = list('flips.csv', (i) => (i % 4 === 0 ? 'test' : 'train'))
    const seen = new Set<string>()
    const radii = new Map<string, number>()
    const report = await auditLists(
      ridge(data, {
        certified: async (attacked, given) => {
          const outcome = await certifyData(attacked, given)
          for (const [rule, inputs] of outcome) {
            seen.add(rule)
            radii.set(rule, Math.max(radii.get(rule) ?? 0, ...[...inputs.values()].map(({ radius }) => radius)))
          }
          return outcome
        },
      }),
    )
    expect([...seen].sort()).toEqual(['dpa', 'dpa_white_box'])
    expect(radii.get('dpa_white_box')).toBeGreaterThan(0)
    expect(report.violations).toEqual([])
    expect(report.checkedPredictions).toBeGreaterThan(0)
    const kinds = Object.entries(report.acts).flatMap(([kind, count]) => (count > 0 ? [kind] : []))
    expect(kinds.length).toBeGreaterThan(0)
    expect(kinds.every((kind) => kind.startsWith('relabel'))).toBe(true)
  })

  test('that promises too much is found out', async () => {
    const data = list('flips.csv', (i) => (i % 4 === 0 ? 'test' : 'train'))
    const certified: ListAuditOptions['certified'] = async (attacked, given) => {
      const outcome = await certifyData(attacked, given)
      return new Map(
        [...outcome].map(([rule, inputs]) => [
          rule,
          new Map([...inputs].map(([id, one]) => [id, { ...one, radius: 12 }])),
        ]),
      )
    }
    expect((await auditLists(ridge(data, { certified }))).violations.length).toBeGreaterThan(0)
  })
})

describe('videomae audit', () => {
  const command = ['audit', videos, '--from', 'pixels', '--learner', 'nearest_mean', '--threads', '1', '--workers', '1']
  const common = [...command, '--cache', inFolder('store'), '--trials', '3', '--attacks', '2', '--json']

  test('attacks rows and files, too, and counts what it did', async () => {
    const killed = inFolder('audit', 'attacked-2147483647') // of a process that is gone
    mkdirSync(killed, { recursive: true })
    const { code, stdout } = await videomae(
      ...common,
      '--partitions',
      '3',
      '--test-share',
      '0.4',
      '--list-trials',
      '2',
      '--out',
      inFolder('audit'),
    )
    expect(code).toBe(0)
    const { lists } = JSON.parse(stdout) as {
      lists: { trials: number; rows: number; form: string; violations: unknown[] }
    }
    expect(lists).toMatchObject({ trials: 2, rows: 30, form: 'folder', threat: 'general', violations: [] })
    expect(existsSync(killed)).toBe(false)
  })

  test('flips labels against the white-box certificate, and refuses it where it does not hold', async () => {
    const data = list('white-box.csv', (i) => (i % 3 === 0 ? 'test' : 'train'))
    const ridge = ['audit', data, '--from', 'pixels', '--white-box', '--threads', '1', '--workers', '1', '--json']
    const few = ['--trials', '2', '--attacks', '1', '--partitions', '3', '--list-trials', '4']
    const audited = await videomae(...ridge, ...few, '--cache', inFolder('store'), '--out', inFolder('white-box'))
    expect(audited.code, audited.stdout).toBe(0)
    const { labelFlips } = JSON.parse(audited.stdout) as { labelFlips: object }
    expect(labelFlips).toMatchObject({ trials: 4, threat: 'label_flip', violations: [] })
    const folder = await videomae(...common, '--learner', 'ridge', '--white-box', '--out', inFolder('refused'))
    expect(folder.stdout).toContain('ROWS_WITHOUT_CLASS')
    const other = await videomae(...common, '--white-box', '--out', inFolder('refused'))
    expect(other).toMatchObject({ code: 2, stdout: expect.stringContaining('ridge heads') })
  })

  test('ends with a code of its own where there was nothing to check', async () => {
    // One learner has no radius but 0: one poisoned sample may change it.
    const { code, stdout } = await videomae(
      ...common,
      '--partitions',
      '1',
      '--list-trials',
      '1',
      '--out',
      inFolder('none'),
    )
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'AUDIT_NOTHING_CHECKED' } })
    expect(code).toBe(7)
    expect(existsSync(inFolder('none', 'audit.json'))).toBe(true)
  })

  test('does not pass where no claim holds with the encoder', async () => {
    const out = inFolder('no-claim')
    await expect(
      auditVideos({ data: videos, from: 'pixels', labelsUsed: true, listTrials: 0, out }),
    ).rejects.toMatchObject({
      ...{ code: 'AUDIT_NOTHING_CHECKED', exit: 'nothingChecked' },
      message: expect.stringContaining('labels of the protected set'),
    })
    expect(existsSync(out)).toBe(false)
  })
})

type Row = ReturnType<typeof listVideos>[number]
