/**
 * A certified ensemble on videos as new inputs. Oracle: the certificate, which was counted from features of the store with the
 * training set at hand.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import type { Rule } from '../../src/certify/rules/list.ts'
import { type CertifiedVideos, type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import {
  type CertifiedEnsembleOptions,
  type CertifiedVideo,
  openCertifiedEnsemble,
} from '../../src/certify/videos/ensemble/open-ensemble.ts'
import { groupsOf, pretrainGroups, writeGroupLists } from '../../src/certify/videos/groups.ts'
import { planVideos } from '../../src/certify/videos/plan.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'
import { withoutChecksums } from '../support/without-checksums.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-ensemble-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const [elsewhere, videos, run] = [inFolder('elsewhere'), inFolder('videos'), inFolder('run')]

beforeAll(async () => {
  const classes = ['left', 'right', 'clockwise'] as const
  await generateMotionDataset(elsewhere, { clips: 6, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(videos, { clips: 30, size: 32, frames: 8, seed: 2, classes })
  await pretrain(runSchema.parse(tinyRun(elsewhere)), { out: run, processes: decoding })
})

const job = (out: string, more: Partial<CertifyVideosJob> = {}): CertifyVideosJob => ({
  ...{ data: videos, from: run, partitions: 6, testShare: 0.4, out: inFolder(out), cache: inFolder('store') },
  ...{ threads: 1, workers: 1, processes: decoding },
  ...more,
})

/** What a certificate says of its inputs under a rule, as an ensemble would. */
function certified({ certificate, plan }: CertifiedVideos, rule: Rule) {
  const { inputs } = certificate.runs.find((one) => one.rule === rule)!
  const pathOf = new Map(plan.split.test.map((video) => [video.id, video.path]))
  return inputs!.map(({ id, label: _, prediction, rivals, targets, ...rest }) => ({
    video: pathOf.get(id)!,
    ok: true,
    label: certificate.classNames[prediction],
    rivals: rivals.map((c) => certificate.classNames[c]),
    ...rest,
    ...(targets && {
      targets: targets.map(({ class: c, poisons }) => ({ label: certificate.classNames[c], poisons })),
    }),
  }))
}

/** Without the votes, which a certificate does not list. */
const withoutVotes = (predictions: readonly CertifiedVideo[]) =>
  predictions.map((one) => {
    if (!one.ok) return one
    const { votes: _, runnerUp: __, ...rest } = one
    return rest
  })

/** All inputs of a certificate, predicted from the file that it names: in another order, and one of them alone. */
async function requireSame(result: CertifiedVideos, rules: readonly Rule[]): Promise<void> {
  for (const rule of rules) {
    const { ensemble } = result.certificate.runs.find((one) => one.rule === rule)!
    const file = path.join(path.dirname(result.files[0]), ensemble!.file)
    expect(result.files).toContain(file)
    const expected = certified(result, rule).reverse()
    expect(expected.length).toBeGreaterThan(4)
    const names = expected.map(({ video }) => video)
    const opened = await openCertifiedEnsemble(file, { rule, threads: 1, workers: 1 })
    expect(withoutVotes(await opened.predict(names)), rule).toEqual(expected)
    expect(withoutVotes(await opened.predict([names[1]])), rule).toEqual([expected[1]])
    await opened.close()
  }
}

/** uint8 [videos, 4, 32, 32, 3], as encoders of `tinyRun` read them. */
async function middleClips(entries: CertifiedVideos['plan']['split']['test']): Promise<Uint8Array> {
  const clips: Uint8Array[] = []
  const samplings = [{ kind: 'dense-view', frames: 4, stride: 1, view: 0, views: 1 }] as const
  for await (const loaded of loadClips({ entries, samplings, size: 32, workers: 1 })) {
    if (!loaded.ok) throw new Error(loaded.reason)
    clips[loaded.index] = loaded.clips
  }
  return new Uint8Array(Buffer.concat(clips))
}

describe('prediction, radius and rivals are those of the certificate', () => {
  test('by rules of disjoint partitions and with a spread, features scaled by trusted videos', async () => {
    const rules = ['dpa', 'roe', 'fa', 'fa_exact', 'roe_fa'] as const
    const result = await certifyVideos(job('all', { rules, spread: 2, trusted: elsewhere }))
    expect(new Set(result.certificate.runs.map(({ ensemble }) => ensemble?.file))).toEqual(
      new Set(['ensemble-k6-d1.safetensors', 'ensemble-k6-d2.safetensors']),
    )
    await requireSame(result, rules)
    const radii = result.certificate.runs.flatMap(({ inputs }) => inputs!.map(({ radius }) => radius))
    expect(Math.max(...radii)).toBeGreaterThan(0)
    // Written again by an interrupted command, or by another: the same bytes.
    const file = inFolder('all', 'ensemble-k6-d1.safetensors')
    const before = readFileSync(file)
    await certifyVideos(job('all', { rules, spread: 2, trusted: elsewhere }))
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test.each(['nearest_mean', 'linear'] as const)('of %s heads, with declared classes', async (kind) => {
    const classes = ['left', 'right', 'clockwise']
    const rules = ['dpa', 'roe'] as const
    // More partitions than samples: some learners have none, and abstain.
    const result = await certifyVideos(job(kind, { learner: { kind }, classes, rules, partitions: 20 }))
    expect(result.certificate.runs[0].emptyLearners).toBeGreaterThan(0)
    await requireSame(result, rules)
    const file = inFolder(kind, 'ensemble-k20-d1.safetensors')
    const [, ...fewer] = classes
    await expect(openCertifiedEnsemble(file, { rule: 'dpa', classes: fewer })).rejects.toMatchObject({
      code: 'ENSEMBLE_MISMATCH',
      message: expect.stringContaining('classes'),
    })
    await (await openCertifiedEnsemble(file, { rule: 'dpa', classes })).close()
  })

  test.each(['pixels', 'untrained'])('on %s', async (what) => {
    const from = what === 'pixels' ? what : `untrained:${run}`
    await requireSame(await certifyVideos(job(what, { from, rules: ['dpa'], seed: 3, stride: 2 })), ['dpa'])
  })

  test('by rule temporal', async () => {
    const { split } = await planVideos({ data: videos, cache: inFolder('store') })
    const day = (i: number) => new Date(Date.UTC(2024, 0, 1 + 3 * i)).toISOString().slice(0, 10)
    const files = [...split.train, ...split.test]
    const lines = files.map(({ path: file, label }, i) => `${file},${label},${i < 20 ? 'train' : 'test'},${day(i)}`)
    writeFileSync(inFolder('timed.csv'), `path,label,split,time\n${lines.join('\n')}\n`)
    const periods = { until: '2024-02-12', length: '7d', coverage: 2 }
    const timed = job('temporal', { data: inFolder('timed.csv'), rules: ['temporal'], partitions: 5, periods })
    await requireSame(await certifyVideos(timed), ['temporal'])
  })

  test('by rule groups, each group with an encoder of its own', async () => {
    const { split, classes } = await planVideos({ data: videos, cache: inFolder('store'), testShare: 0.4 })
    const lists = await writeGroupLists(inFolder(), split.train, groupsOf(split.train, classes, 'content', 2), 2)
    const { data: _, ...rest } = tinyRun('')
    const configuration = runSchema.parse({ ...rest, data: { samplesPerClip: 2, workers: 1 } })
    const from = await pretrainGroups(lists, configuration, inFolder('groups'), {})
    const grouped = { from, rules: ['groups'] as const, groups: 2, trusted: elsewhere }
    const result = await certifyVideos(job('grouped', grouped))
    expect(result.certificate.threat.encoder.trust).toBe('per_group')
    await requireSame(result, ['groups'])
    const file = inFolder('grouped', 'ensemble-k6-d1.safetensors')
    const swapped = openCertifiedEnsemble(file, { encoder: [from[1], from[0]] })
    await expect(swapped).rejects.toMatchObject({ code: 'ENSEMBLE_MISMATCH' })
    await expect(openCertifiedEnsemble(file, { encoder: from[0] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    // All encoders and heads in one file: its votes on the inputs are those of the certificate.
    const { test } = result.plan.split
    const out = inFolder('grouped.onnx')
    const clips = await middleClips(test)
    const exported = await exportEnsemble(file, { out, clips })
    expect(exported.check).toMatchObject({ clips: test.length, votes: 6 * test.length, differentVotes: 0 })
    expect(exported.sidecar.model).toMatchObject({ name: '2 encoders of groups' })
    const { create, Tensor } = await loadRuntime()
    const session = await create(out)
    const outputs = await session.run({
      [session.inputNames[0]]: new Tensor('uint8', clips, [test.length, 4, 32, 32, 3]),
    })
    await session.release()
    const votes = outputs.votes
    expect(votes.dims).toEqual([test.length, 6])
    const ranks = Uint8Array.from(votes.data as BigInt64Array, Number)
    const counted = certifyBallots(
      { inputs: test.length, learners: 6, classes: result.certificate.classNames.length, places: 1, ranks },
      { rule: 'groups', groups: 2 },
    )
    const stated = result.certificate.runs[0].inputs ?? []
    expect(counted.map(({ prediction, radius }) => [prediction, radius])).toEqual(
      stated.map(({ prediction, radius }) => [prediction, radius]),
    )
    const pooled = exportEnsemble(file, { out: inFolder('pooled.onnx'), input: 'pooled' })
    await expect(pooled).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('groups') })
  })
})

describe('what is not what was certified', () => {
  const file = inFolder('plain', 'ensemble-k6-d1.safetensors')
  const both = { rules: ['dpa', 'roe'] as const }
  let plain: CertifiedVideos
  beforeAll(async () => {
    plain = await certifyVideos(job('plain', both))
  })
  const refused = (where: string, options: CertifiedEnsembleOptions = { rule: 'dpa' }) =>
    expect(openCertifiedEnsemble(where, { threads: 1, workers: 1, ...options })).rejects

  test('is refused by name: rule, encoder, decoder, views', async () => {
    await refused(file, {}).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/dpa, roe.*received nothing/),
      hint: expect.stringContaining('--rule dpa'),
    })
    await refused(file, { rule: 'fa' }).toMatchObject({ code: 'INVALID_ARGUMENT' })
    const [mismatch, rule] = [{ code: 'ENSEMBLE_MISMATCH' }, 'dpa'] as const
    const named = (what: string) => ({ ...mismatch, message: expect.stringContaining(what) })
    await refused(file, { rule, encoder: `untrained:${run}` }).toMatchObject(named('digest of the encoder'))
    await refused(file, { rule, decoder: 'ffmpeg' }).toMatchObject(named('decoder'))
    await refused(file, { rule, clips: 2 }).toMatchObject(named('clips'))
    await refused(file, { rule, crops: 3 }).toMatchObject(named('crops'))
    await refused(file, { rule, encoder: inFolder('nowhere') }).toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
    // The same weights, whose preprocessing scales pictures in another way: not a part of what the digest is of.
    mkdirSync(inFolder('resized'))
    for (const name of ['config.json', 'model.safetensors', 'preprocessor_config.json', 'videomae.sha256'])
      cpSync(path.join(run, 'step-00000002', name), inFolder('resized', name))
    withoutChecksums(inFolder('resized'))
    const steps = inFolder('resized', 'preprocessor_config.json')
    const preprocessing = JSON.parse(readFileSync(steps, 'utf8')) as Record<string, unknown>
    writeFileSync(steps, JSON.stringify({ ...preprocessing, size: { shortest_edge: 48 } }))
    await refused(file, { rule, encoder: inFolder('resized') }).toMatchObject(named('size of frames'))
  })

  test('is told: another engine, whose features differ in their last bits', async () => {
    const ensemble = await openCertifiedEnsemble(file, { rule: 'dpa', engine: 'reference', workers: 1 })
    expect(ensemble.warnings.join()).toContain('but this is reference')
    expect(await ensemble.predict([path.join(videos, 'left/00000.mp4')])).toMatchObject([{ ok: true }])
    await ensemble.close()
    const same = await openCertifiedEnsemble(file, { rule: 'dpa', threads: 1 })
    expect(same.warnings).toEqual(plain.certificate.runs[0].warnings)
    expect(same.threat.claim).toContain('inserted or deleted')
    expect(same.threat.conditions.join()).toContain('not the header, the form or the encoding of a list')
    await same.close()
  })

  test('is found by the certificate, and another file in its place is not taken', async () => {
    for (const where of [inFolder('plain'), inFolder('plain', 'certificate.json')])
      await (await openCertifiedEnsemble(where, { rule: 'dpa', threads: 1 })).close()
    await certifyVideos(job('other', { ...both, seed: 5 }))
    cpSync(inFolder('other', 'ensemble-k6-d1.safetensors'), inFolder('other', 'kept.safetensors'))
    cpSync(file, inFolder('other', 'ensemble-k6-d1.safetensors'))
    await refused(inFolder('other')).toMatchObject({
      code: 'ENSEMBLE_MISMATCH',
      message: expect.stringContaining('as the certificate says'),
    })
    await refused(inFolder('nowhere')).toMatchObject({ code: 'ENSEMBLE_NOT_FOUND' })
    await refused(elsewhere).toMatchObject({ code: 'ENSEMBLE_NOT_FOUND' })
    await refused(path.join(run, 'step-00000002', 'model.safetensors')).toMatchObject({ code: 'ENSEMBLE_INVALID' })
  })

  test('includes learners that are trained networks: they are not kept in a file', async () => {
    const attentive = job('attentive', { learner: { kind: 'attentive', epochs: 1 }, partitions: 2, rules: ['dpa'] })
    const { certificate } = await certifyVideos(attentive)
    expect(certificate.runs[0].ensemble).toBeNull()
    await refused(inFolder('attentive')).toMatchObject({
      code: 'LEARNER_NOT_KEPT',
      message: expect.stringContaining('attentive'),
      hint: expect.stringContaining('ridge'),
    })
  })
})

describe('videomae predict --certified', () => {
  test('prints class, radius and runner-up, and ends with 8 where it abstains', async () => {
    // Learners of few videos agree on a class that most are of, not on all inputs.
    const { split } = await planVideos({ data: videos, cache: inFolder('store') })
    const rows = [...split.train, ...split.test].map(
      ({ path: file }, i) =>
        `${path.relative(inFolder(), file)},${i % 3 === 0 ? 'rare' : 'usual'},${i < 20 ? 'train' : 'test'}`,
    )
    writeFileSync(inFolder('mostly.csv'), `path,label,split\n${rows.join('\n')}\n`)
    const data = inFolder('mostly.csv')
    const result = await certifyVideos(
      job('command', { data, from: 'pixels', rules: ['dpa', 'roe'], targetClasses: ['rare'] }),
    )
    const expected = certified(result, 'roe')
    const names = expected.map(({ video }) => video)
    const radii = expected.map(({ radius }) => radius)
    const most = Math.max(...radii)
    expect(most).toBeGreaterThan(Math.min(...radii))
    const command = ['predict', ...names, '--certified', inFolder('command'), '--rule', 'roe', '--threads', '1']
    const gate = [...command, '--require-radius', String(most), '--target', 'rare']
    const { code, stdout } = await videomae(...gate, '--json')
    expect(code).toBe(8)
    const shown = JSON.parse(stdout) as { predictions: CertifiedVideo[]; ensemble: { digest: string } }
    expect(shown).toMatchObject({
      requireRadius: most,
      ensemble: { rule: 'roe', digest: result.certificate.runs[1].ensemble?.digest, threat: result.certificate.threat },
    })
    for (const [i, one] of shown.predictions.entries()) {
      if (!one.ok) throw new Error(one.reason)
      const { video, label, radius, rivals, targets } = expected[i]
      expect(one).toMatchObject({ video, radius, rivals, targets })
      expect([one.label, one.withheld]).toEqual(radius < most ? [null, label] : [label, undefined])
      const { votes, runnerUp, abstentions } = one
      expect(votes + (runnerUp?.votes ?? 0) + abstentions).toBeLessThanOrEqual(6)
      expect(votes).toBeGreaterThan(0)
    }
    const text = await videomae(...gate)
    expect(text.code).toBe(8)
    expect(text.stderr).toContain('RADIUS_BELOW_REQUIRED')
    expect(text.stdout).toContain(`abstained (below ${most})`)
    expect(text.stdout).toMatch(/rare needs [1-9]/)
    expect(text.stdout).toContain(result.certificate.threat.claim)
    expect((await videomae(...command)).code).toBe(0)

    const damaged = inFolder('damaged.mp4')
    writeFileSync(damaged, 'no video')
    const unreadable = await videomae(...gate, damaged, '--json')
    expect(unreadable.code).toBe(3)
    expect((JSON.parse(unreadable.stdout) as typeof shown).predictions.at(-1)).toMatchObject({ ok: false })
  })

  test('refuses options that would be without effect', async () => {
    const refused = async (...args: string[]) =>
      (JSON.parse((await videomae('predict', 'a.mp4', ...args, '--json')).stdout) as { error: { message: string } })
        .error
    const invalid = (message: string) => ({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) })
    expect(await refused()).toMatchObject(invalid('--from'))
    expect(await refused('--from', run, '--rule', 'dpa')).toMatchObject(invalid('--rule'))
    expect(await refused('--from', run, '--require-radius', '1')).toMatchObject(invalid('--require-radius'))
    expect(await refused('--from', run, '--certified', inFolder('command'))).toMatchObject(invalid('--from'))
    expect(await refused('--certified', inFolder('command'), '--top', '2')).toMatchObject(invalid('--top'))
    const other = await refused('--certified', inFolder('command'), '--rule', 'dpa', '--decoder', 'ffmpeg')
    expect(other).toMatchObject({ code: 'ENSEMBLE_MISMATCH' })
  })
})
