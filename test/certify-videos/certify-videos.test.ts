/** Certificates of real video files, from the library and through the compiled program, at a tiny size. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { CertificateFile } from '../../src/certify/files/certificate-file.ts'
import { type CertifyVideosOptions, checkCertificationPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { prepareSets } from '../../src/certify/videos/prepare.ts'
import { trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import type { VideoCertificate } from '../../src/certify/videos/video-certificate.ts'
import { fileDigest } from '../../src/format/file-digest.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'
import { expectForgeriesFound } from './forged-copies.ts'
import { pretrainOn } from './tiny-pretraining.ts'

// Against hanging only: a machine that does other work may take minutes for a few small commands.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-certify-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const [elsewhere, videos, run] = [inFolder('elsewhere'), inFolder('videos'), inFolder('run')]

const options = (from: string, more: Partial<CertifyVideosOptions> = {}): CertifyVideosOptions => ({
  data: videos,
  from,
  cache: inFolder('store'),
  threads: 1,
  workers: 1,
  processes: decoding,
  ...more,
})

beforeAll(async () => {
  const classes = ['left', 'right', 'clockwise'] as const
  await generateMotionDataset(elsewhere, { clips: 6, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(videos, { clips: 24, size: 32, frames: 8, seed: 2, classes })
  await pretrainOn(elsewhere, run)
})

describe('what an encoder was trained on', () => {
  test('is read from its run, with the contents of its videos', async () => {
    const outcome = await trainingManifestOf(run)
    if (!outcome.known) throw new Error(outcome.why)
    expect(outcome.manifest.samples.size).toBe(6)
    expect(outcome.manifest.samples).toContain(await fileDigest(path.join(elsewhere, 'left/00000.mp4')))
    expect(existsSync(path.join(run, 'training-manifest.json'))).toBe(true)
    const again = await trainingManifestOf(run)
    expect(again).toEqual(outcome)
  })

  test('includes what the weights it started from were trained on', async () => {
    await pretrainOn(path.join(videos, 'left'), inFolder('continued'), run)
    const outcome = await trainingManifestOf(inFolder('continued'))
    if (!outcome.known) throw new Error(outcome.why)
    expect(outcome.manifest.samples.size).toBe(6 + 8)
  })

  test('decides which threat is refused, before any video is decoded', async () => {
    const clean = await planCertification(options(run))
    expect(clean.encoder.trust).toBe('external')
    checkCertificationPlan(clean, 'content', ['dpa'], 'general')

    const seen = await planCertification(options(inFolder('continued')))
    expect(seen.encoder.trust).toBe('protected_set')
    expect(() => checkCertificationPlan(seen, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
    checkCertificationPlan(seen, 'content', ['dpa'], 'label_flip')

    const fresh = await planCertification(options(`untrained:${inFolder('continued')}`))
    expect(fresh.encoder.trust).toBe('fixed')
    // In a folder per class a relabeled video would have another id, and be two units.
    await expect(planCertification(options(run, { by: 'id' }))).rejects.toThrow(/contains its class/)
    const scaled = await planCertification(options(`untrained:${run}`, { trusted: videos }))
    expect(() => checkCertificationPlan(scaled, 'content', ['dpa'], 'general')).toThrow(/general does not hold/)
  })
})

describe('features for certificates', () => {
  test('do not depend on which other videos there are', async () => {
    const whole = await prepareSets(await planCertification(options(run)), options(run))
    const one = path.join(videos, 'right/00001.mp4')
    const list = inFolder('few.csv')
    const others = ['left/00000.mp4,left', 'clockwise/00002.mp4,clockwise'].map((line) => path.join(videos, line))
    writeFileSync(list, `path,label,split\n${others[0]},train\n${one},right,train\n${others[1]},test\n`)
    const few = options(run, { data: list, cache: inFolder('store-few') })
    const part = await prepareSets(await planCertification(few), few)
    const digest = await fileDigest(one)
    const rowOf = ({ set }: typeof part) => {
      const row = set.digests.indexOf(digest)
      return row < 0 ? null : Array.from(set.features.subarray(row * set.width, (row + 1) * set.width))
    }
    expect(rowOf(part)).not.toBeNull()
    // The video is on either side of the hash split; it is compared where it is protected.
    const wholeRow =
      rowOf(whole) ?? rowOf(await prepareSets(await planCertification(options(run, { seed: 1 })), options(run)))
    expect(wholeRow).toEqual(rowOf(part))
  })

  test('put every video on a side by its own hash: deleting one moves no other', async () => {
    const all = (await planCertification(options('pixels'))).split
    const names = [...all.train, ...all.test].map(({ path: file, label }) => `${file},${label}`).sort()
    writeFileSync(inFolder('half.csv'), `path,label\n${names.filter((_, i) => i % 2 === 0).join('\n')}\n`)
    const fewer = (await planCertification(options('pixels', { data: inFolder('half.csv') }))).split
    const train = new Set(all.train.map((video) => video.digest))
    expect(fewer.train.length).toBeGreaterThan(0)
    expect(fewer.train.every((video) => train.has(video.digest))).toBe(true)
    expect(fewer.test.some((video) => train.has(video.digest))).toBe(false)
    // Nor does one that comes without a group among others that have one.
    const listed = async (lines: readonly string[]) => {
      writeFileSync(inFolder('grouped.csv'), `path,label,group\n${lines.join('\n')}\n`)
      return (await planCertification(options('pixels', { data: inFolder('grouped.csv') }))).split
    }
    const named = names.slice(1).map((line, i) => `${line},camera ${i % 12}`)
    const before = await listed(named)
    const after = await listed([...named, `${names[0]},`])
    const sides = ({ test }: typeof before) => test.map(({ id }) => id).filter((id) => !names[0].startsWith(id))
    expect(before.test.length).toBeGreaterThan(0)
    expect(before.how).toContain('hash of the group,')
    expect(sides(after)).toEqual(sides(before))
    const cameras = new Set(before.train.map(({ group }) => group))
    expect(before.test.some(({ group }) => cameras.has(group))).toBe(false)
  })
})

interface Audited {
  readonly poisons: number
  readonly checkedPredictions: number
}

describe('videomae certify, audit and lethal-dose', () => {
  const common = ['--cache', inFolder('store'), '--threads', '1', '--workers', '1', '--json', '--test-share', '0.3']

  test('certifies predictions on videos and writes what a reader needs', async () => {
    const out = inFolder('certificate')
    const { code, stdout, stderr } = await videomae(
      ...['certify', videos, '--from', run, '--partitions', '3,5', '--rule', 'dpa,roe,fa', '--spread', '2'],
      ...['--trusted', elsewhere, '--out', out, ...common],
    )
    expect(stderr).not.toContain('Error')
    expect(code).toBe(0)
    const shown = JSON.parse(stdout) as {
      runs: { rule: string; partitions: number }[]
      threat: { claim: string }
      files: string[]
    }
    // All of them are named, and nothing else.
    const written = readdirSync(out, { withFileTypes: true }).filter((entry) => entry.isFile())
    expect(shown.files.map((file) => path.basename(file)).sort()).toEqual(written.map(({ name }) => name).sort())
    expect(shown.runs.map(({ rule, partitions }) => `${rule} ${partitions}`)).toEqual([
      'dpa 3',
      'roe 3',
      'fa 3',
      'dpa 5',
      'roe 5',
      'fa 5',
    ])
    expect(shown.threat.claim).toContain('inserted or deleted')
    const certificate = JSON.parse(readFileSync(path.join(out, 'certificate.json'), 'utf8')) as VideoCertificate
    expect(certificate.threat.encoder).toMatchObject({ trust: 'external', overlap: 0 })
    expect(certificate.trainingVideos + certificate.runs[0].inputs!.length).toBe(24)
    expect(certificate.data).toMatchObject({ rows: 24, leftOut: [], classes: 'any', classesFrom: 'labels', test: null })
    expect(certificate.data.protected + certificate.data.predicted).toBe(24)
    // What was written can be verified by whoever gets it.
    const verified = await videomae('verify', path.join(out, 'certificate.json'), '--json', '--quiet')
    expect(JSON.parse(verified.stdout)).toMatchObject({ verified: true, differences: [] })
    expect(verified.code).toBe(0)
    await expectForgeriesFound(out, certificate, videos, inFolder)
    expect(certificate.options).toMatchObject({ from: [run], testShare: 0.3, seed: 0, clips: 1, decoder: 'node-av' })
    expect(certificate.threat.conditions.join()).toContain('not the header, the form or the encoding of a list')
    for (const file of ['certified-accuracy.svg', 'table.md', 'buckets-3.json', 'buckets-6.json'])
      expect(existsSync(path.join(out, file))).toBe(true)

    // Again, from jobs that divide the work: the same learners, byte for byte.
    const jobs = ['certify', videos, '--from', run, '--partitions', '3,5', '--rule', 'dpa', '--trusted', elsewhere]
    const other = [...jobs, '--out', inFolder('jobs'), '--cache', inFolder('jobs-store'), ...common.slice(2)]
    for (const stage of ['features', 'learners'])
      for (const shard of ['2/2', '1/2'])
        expect((await videomae(...other, '--shard', shard, '--stage', stage)).code).toBe(0)
    const merged = JSON.parse((await videomae(...other)).stdout) as CertificateFile
    const digestOf = ({ runs }: CertificateFile, k: number) =>
      runs.find(({ rule, partitions }) => rule === 'dpa' && partitions === k)?.learnersDigest
    expect(digestOf(merged, 5)).toBe(digestOf(certificate, 5))
  })

  test('refuses to protect the videos that the encoder was trained on', async () => {
    await pretrainOn(videos, inFolder('seen'))
    const command = [
      'certify',
      videos,
      '--from',
      inFolder('seen'),
      '--partitions',
      '3',
      '--out',
      inFolder('refused'),
      ...common,
    ]
    const refused = await videomae(...command)
    expect(refused.code).toBe(6)
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; hint: string } }
    expect(error.code).toBe('THREAT_NOT_CERTIFIED')
    expect(error.hint).toContain('label_flip')
    expect((await videomae(...command, '--trust', 'external')).code).toBe(6)
    const flips = await videomae(...command, '--threat', 'label_flip')
    expect(flips.code).toBe(0)
    expect(JSON.parse(flips.stdout)).toMatchObject({
      threat: { threat: 'label_flip', encoder: { trust: 'protected_set' } },
    })
    const sources = await videomae('certify', videos, '--from', run, '--by', 'source', '--threat', 'source', ...common)
    expect(sources).toMatchObject({ code: 3, stdout: expect.stringContaining('GROUP_MISSING') })
  })

  test('certifies poison in a stretch of time, where the list says when videos were collected', async () => {
    const names = (await planCertification(options('pixels'))).split
    const files = [...names.train, ...names.test].map(({ path: file, label }) => ({ file, label }))
    const day = (i: number) => new Date(Date.UTC(2024, 0, 1 + 3 * i)).toISOString().slice(0, 10)
    const list = inFolder('timed.csv')
    const lines = files.map(({ file, label }, i) => `${file},${label},${i < 18 ? 'train' : 'test'},${day(i)}`)
    writeFileSync(list, `path,label,split,time\n${lines.join('\n')}\n`)
    // The 18 training videos are from 1 January to 21 February, one every three days. Six weeks end at 12 February.
    const command = ['certify', list, '--from', run, '--rule', 'temporal', '--partitions', '5', '--coverage', '2']
    const bounds = ['--period', '7d', '--until', '2024-02-12']
    const out = inFolder('temporal')
    const { code, stdout, stderr } = await videomae(...command, ...bounds, '--out', out, ...common)
    expect(stderr).toContain('4 left out: 4 outside the periods')
    expect(code).toBe(0)
    const shown = JSON.parse(stdout) as CertificateFile
    expect(shown.threat).toMatchObject({ threat: 'temporal', encoder: { trust: 'external' } })
    expect(shown.threat.claim).toContain('neighboring periods')
    const periods = { until: Date.UTC(2024, 1, 12), length: 7 * 86_400_000, coverage: 2 }
    expect(shown.runs[0]).toMatchObject({ rule: 'temporal', partitions: 5, learners: 5, periods })
    const certificate = JSON.parse(readFileSync(path.join(out, 'certificate.json'), 'utf8')) as CertificateFile
    expect(certificate.buckets).toMatchObject({ by: 'time' })
    const timed = await videomae('verify', path.join(out, 'certificate.json'), '--data', command[1], '--quiet')
    expect(timed.stdout).toContain('checked: the data')
    expect(timed.code).toBe(0)
    for (const input of certificate.runs[0].inputs!) expect(input.earliness).toBeGreaterThanOrEqual(input.radius)
    // Days 0, 3, 6 are in the first week, 9 and 12 in the second, and so on.
    const manifest = JSON.parse(readFileSync(path.join(out, 'buckets-6.json'), 'utf8')) as { sizes: number[] }
    expect(manifest.sizes).toEqual([3, 2, 2, 3, 2, 2])
    expect(readFileSync(path.join(out, 'table.md'), 'utf8')).toContain('temporal K=5 n=2, duration')

    const bounded = [
      ...bounds,
      '--partitions',
      '5',
      '--coverage',
      '2',
      '--trials',
      '4',
      '--attacks',
      '2',
      '--list-trials',
      '5',
    ]
    const audited = await videomae(
      'audit',
      list,
      '--from',
      run,
      '--rule',
      'temporal',
      ...bounded,
      '--out',
      out,
      ...common,
    )
    expect(audited.code, `${audited.stdout}${audited.stderr}`).toBe(0)
    const report = JSON.parse(audited.stdout) as { trials: number; poisons: number }
    expect(report).toMatchObject({ rule: 'temporal', trials: 4, violations: [], reproducible: true, learners: 5 })
    expect(report.poisons).toBeGreaterThanOrEqual(4)

    const refused = async (...args: string[]) =>
      JSON.parse((await videomae(...args, '--out', out, ...common)).stdout) as { error: { code: string } }
    expect((await refused('certify', videos, ...command.slice(2), ...bounds)).error.code).toBe('TIME_MISSING')
    expect((await refused(...command, '--period', '7', '--until', '45')).error.code).toBe('TIME_INVALID')
    expect((await refused(...command)).error.code).toBe('INVALID_ARGUMENT')
    expect((await refused('certify', list, '--from', run, ...bounds)).error.code).toBe('INVALID_ARGUMENT')
    expect((await refused(...command, ...bounds, '--rule', 'temporal,dpa')).error.code).toBe('RULES_NOT_COMBINED')
    expect((await refused(...command, ...bounds, '--threat', 'general')).error.code).toBe('THREAT_NOT_CERTIFIED')
  })

  test('says that learners from scratch use no encoder', async () => {
    const scratch = ['--learner', 'scratch', '--epochs', '1', '--partitions', '2', '--rule', 'dpa']
    const text = common.filter((option) => option !== '--json')
    const { code, stdout } = await videomae(
      'certify',
      videos,
      '--from',
      run,
      ...scratch,
      '--out',
      inFolder('scratch'),
      ...text,
    )
    expect(code).toBe(0)
    expect(stdout).toContain(
      `encoder    none: each base classifier starts from fresh weights, with the sizes of ${run}\n`,
    )
    const grouped = ['--rule', 'groups', '--from', run, '--from', run, '--learner', 'attentive', '--partitions', '2']
    const refused = await videomae('certify', videos, ...grouped, '--out', inFolder('scratch'), ...common)
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; hint: string } }
    expect(error).toMatchObject({ code: 'LEARNER_NOT_GROUPED', hint: expect.stringContaining('ridge') })
  })

  test('audits with poisoned training sets', async () => {
    // All but two videos are of one class: learners of few videos agree on it, so that there are radii above 0 to check.
    const list = inFolder('mostly-one.csv')
    const files = ['left', 'right', 'clockwise'].flatMap((name) =>
      readdirSync(path.join(videos, name))
        .filter((file) => file.endsWith('.mp4'))
        .map((file) => path.join(videos, name, file)),
    )
    expect(files).toHaveLength(24)
    const rows = files.map((file, i) => `${file},${i % 12 === 0 ? 'rare' : 'usual'}`)
    writeFileSync(list, `path,label\n${rows.join('\n')}\n`)
    const { code, stdout, stderr } = await videomae(
      ...['audit', list, '--from', run, '--partitions', '3', '--rule', 'roe', '--trials', '6', '--attacks', '3'],
      ...['--list-trials', '3', '--out', inFolder('audit'), ...common],
    )
    expect(code, `${stdout}${stderr}`).toBe(0)
    const report = JSON.parse(stdout) as Audited
    expect(report).toMatchObject({ trials: 6, violations: [], reproducible: true })
    expect(report.poisons).toBeGreaterThanOrEqual(6)
    expect(report.checkedPredictions).toBeGreaterThan(0)
    const groups = [
      '--rule',
      'groups',
      '--groups',
      '5',
      '--trials',
      '4',
      '--attacks',
      '2',
      '--list-trials',
      '3',
      '--out',
      inFolder('audit-groups'),
    ]
    const audited = await videomae('audit', list, '--from', run, '--partitions', '10', ...groups, ...common)
    expect(audited.code, `${audited.stdout}${audited.stderr}`).toBe(0)
    const grouped = JSON.parse(audited.stdout) as Audited
    expect(grouped).toMatchObject({
      ...{ rule: 'groups', groups: 5, learners: 10, violations: [], reproducible: true },
      retrained: expect.stringContaining('the scale of the features of each group'),
    })
    expect(grouped.checkedPredictions).toBeGreaterThan(0)
    const odd = await videomae('audit', videos, '--from', run, '--partitions', '7', ...groups, ...common)
    expect(odd).toMatchObject({ code: 2, stdout: expect.stringContaining('a multiple of the 5 encoder groups') })
  })

  test('compares predicted and measured radii of several learners', async () => {
    const { code, stdout } = await videomae(
      ...['lethal-dose', videos, '--from', run, '--from', 'pixels', '--partitions', '2,4', '--subsets', '10'],
      ...['--out', inFolder('dose'), ...common],
    )
    expect(code).toBe(0)
    const { learners } = JSON.parse(stdout) as { learners: { name: string; rows: unknown[] }[] }
    expect(learners.map(({ name }) => name)).toEqual([`${run}, ridge`, 'pixels, ridge'])
    expect(learners[1].rows).toHaveLength(2)
    expect(existsSync(inFolder('dose', 'lethal-dose.svg'))).toBe(true)
  })
})
