/**
 * Base classifiers that an engine trains, on tiny videos: independence and determinism byte for byte, resuming, shares, DPA*,
 * audits, and encoders for groups. Oracle: training again.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { assertAudit, audit } from '../../src/certify/audit/audit.ts'
import { certify } from '../../src/certify/certify.ts'
import { trainShare } from '../../src/certify/certify-plan.ts'
import type { EnsemblePlan } from '../../src/certify/ensemble/learners.ts'
import { ballotsOfInput } from '../../src/certify/rules/ballot.ts'
import type { Rule } from '../../src/certify/rules/list.ts'
import { learnersOfBucket, spreadOffsets } from '../../src/certify/rules/spread.ts'
import { groupsOf, pretrainGroups, writeGroupLists } from '../../src/certify/videos/groups.ts'
import { engineLearners } from '../../src/certify/videos/learners/family.ts'
import { resample } from '../../src/certify/videos/learners/frame-store.ts'
import { type LearnerOptions, ownOptions } from '../../src/certify/videos/learners/learner-options.ts'
import { SessionPool } from '../../src/certify/videos/learners/session-pool.ts'
import type { LearnerTrainer } from '../../src/certify/videos/learners/trainer.ts'
import type { VideoInputs, VideoSet } from '../../src/certify/videos/learners/video-set.ts'
import {
  type CertifyVideosOptions,
  checkCertificationPlan,
  planCertification,
  planVideos,
} from '../../src/certify/videos/plan.ts'
import { type Prepared, prepareGroups, prepareLearners } from '../../src/certify/videos/prepare.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'

const folder = folderForTests('videomae-learners-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const [videos, run] = [inFolder('videos'), inFolder('run')]

beforeAll(async () => {
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('elsewhere'), { clips: 4, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(videos, { clips: 18, size: 32, frames: 8, seed: 2, classes })
  await pretrain(runSchema.parse(tinyRun(inFolder('elsewhere'))), { out: run, processes: decoding })
})

const options = (learner: LearnerOptions, more: Partial<CertifyVideosOptions> = {}): CertifyVideosOptions => ({
  ...{ data: videos, from: run, learner, cache: inFolder('store'), threads: 1, workers: 1, testShare: 0.3 },
  processes: decoding,
  // Declared, so that their indices are 0 and 1.
  classes: ['left', 'right'],
  ...more,
})
/** These learners all read a `VideoSet`. */
async function prepared(learner: LearnerOptions): Promise<Prepared<VideoSet, VideoInputs>> {
  const all = options(learner)
  return prepareLearners(
    await planCertification(all),
    all,
    async (ready) => ready as unknown as Prepared<VideoSet, VideoInputs>,
  )
}
const without = (set: VideoSet, row: number): VideoSet => {
  const keep = <T>(column: ArrayLike<T>) => Array.from(column).filter((_, i) => i !== row)
  return {
    ...set,
    rows: set.rows - 1,
    labels: Int32Array.from(keep(set.labels)),
    ids: keep(set.ids),
    digests: keep(set.digests),
    parts: keep(set.parts ?? []),
    contents: keep(set.contents),
  }
}
const plan: EnsemblePlan = { by: 'content', learners: 3, threads: 2 }

/** Counts the sessions that are opened from here on. */
function countingSessions(): () => number {
  let count = 0
  const pooled = SessionPool.prototype.engine
  vi.spyOn(SessionPool.prototype, 'engine').mockImplementation(function (this: SessionPool, engine) {
    const open: typeof engine.open = (...args) => {
      count++
      return engine.open(...args)
    }
    return pooled.call(this, { ...engine, open })
  })
  return () => {
    vi.restoreAllMocks()
    return count
  }
}

describe.each([
  { kind: 'attentive', epochs: 1 },
  { kind: 'full', epochs: 1 },
  { kind: 'scratch', epochs: 1 },
  { kind: 'scratch_augmented', epochs: 1 },
] as const)('learners of kind $kind', (learner) => {
  test('depend on their own videos and number alone, and are kept', async () => {
    const { learners, set, test } = await prepared(learner)
    const directory = inFolder(`kept-${learner.kind}`)
    const first = await learners.train(set, { ...plan, directory })
    // Deleting one video changes one learner; which of the others are trained next to it, or before, changes none.
    const fewer = await learners.train(without(set, 0), plan)
    const differing = first.records.filter(({ sha256 }, i) => sha256 !== fewer.records[i].sha256)
    expect(differing.map(({ learner: number }) => number)).toEqual([first.assignment.bucketOf[0]])
    // So does another label: the learner has learned from it.
    const labels = set.labels.map((label, i) => (i === 0 ? 1 - label : label))
    const flipped = await learners.train({ ...set, labels }, plan)
    const relabeled = first.records.filter(({ sha256 }, i) => sha256 !== flipped.records[i].sha256)
    expect(relabeled.map(({ learner: number }) => number)).toEqual([first.assignment.bucketOf[0]])
    // One after the other they take over each other's sessions; alone, a learner has a new one.
    const opened = countingSessions()
    const inTurn = await learners.train(set, { ...plan, threads: 1 })
    expect(inTurn.records).toEqual(first.records)
    const shapes = learner.kind === 'attentive' ? new Set(first.records.map(({ samples }) => samples)).size : 1
    expect(opened()).toBe(shapes)
    const share = { directory: inFolder(`alone-${learner.kind}`), shard: { index: 2, count: 3 } }
    const alone = await learners.train(set, { ...plan, ...share })
    expect(alone.records).toEqual([first.records[2]])
    const again = await learners.train(set, { ...plan, directory })
    expect([again.resumed, again.records]).toEqual([3, first.records])
    const all = { from: 0, to: test.rows }
    const ballots = await first.vote(test, all, {})
    expect([...(await again.vote(test, all, {})).ranks]).toEqual([...ballots.ranks])
    for (let t = 0; t < test.rows; t++)
      for (let i = 0; i < 3; i++) expect([...ballotsOfInput(ballots, t).slice(2 * i, 2 * i + 2)].sort()).toEqual([0, 1])
    if (learner.kind !== 'attentive') return
    await expect(learners.train(without(set, 0), { ...plan, directory })).rejects.toThrow(/another plan/)
  })
})

/** What a seed makes the recorder say for class 0, against 0 for class 1. */
const marginOf = (seed: number) => (seed % 7) - 3
const seedsDrawn: number[] = []
/** A trainer whose weights are what it was given, so that the family can be looked at without an engine. */
const recorder: LearnerTrainer = {
  description: { kind: 'recorder' },
  train: async ({ labels }, seed) => {
    seedsDrawn.push(seed)
    return new Map([['seen', Float32Array.from([marginOf(seed), ...labels])]])
  },
  score: async (state, contents) => Float32Array.from(contents.flatMap(() => [state.get('seen')![0], 0])),
}

describe('the family', () => {
  test('trains shares apart, repairs a damaged learner, and names what is missing', async () => {
    const { set } = await prepared({ kind: 'attentive', epochs: 1 })
    const family = engineLearners(recorder, 5)
    const directory = inFolder('shares')
    const whole = await family.train(set, { ...plan, learners: 4 })
    await family.train(set, { ...plan, learners: 4, directory, shard: { index: 1, count: 2 } })
    await expect(family.merge(set, { ...plan, learners: 4, directory })).rejects.toThrow(/2 are missing: 0, 1/)
    await family.train(set, { ...plan, learners: 4, directory, shard: { index: 0, count: 2 } })
    expect((await family.merge(set, { ...plan, learners: 4, directory })).records).toEqual(whole.records)
    const file = path.join(directory, readdirSync(directory).find((name) => name.startsWith('learners-00002'))!)
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] ^= 1
    writeFileSync(file, bytes)
    const repaired = await family.train(set, { ...plan, learners: 4, directory })
    expect([repaired.resumed, repaired.records]).toEqual([3, whole.records])
  })

  test('adds up the scores of several seeds of a partition; an empty partition abstains', async () => {
    const { set, test } = await prepared({ kind: 'attentive', epochs: 1 })
    const family = engineLearners(recorder)
    const one = await family.train(set, plan)
    seedsDrawn.length = 0
    const three = await family.train(set, { ...plan, seeds: 3, threads: 1 })
    expect(three.records.map(({ sha256 }) => sha256)).not.toEqual(one.records.map(({ sha256 }) => sha256))
    expect(new Set(seedsDrawn).size).toBe(9)
    const cast = await three.vote(test, { from: 0, to: 1 }, { keep: 'votes' })
    for (let i = 0; i < 3; i++) {
      const sum = seedsDrawn.slice(3 * i, 3 * i + 3).reduce((total, seed) => total + marginOf(seed), 0)
      expect(cast.ranks[i]).toBe(sum >= 0 ? 0 : 1)
    }
    const many = await family.train(set, { ...plan, learners: 60 })
    const votes = await many.vote(test, { from: 0, to: 1 }, { keep: 'votes' })
    for (const { learner, samples } of many.records) expect(votes.ranks[learner] === 2).toBe(samples === 0)
    expect(many.records.some(({ samples }) => samples === 0)).toBe(true)
  })

  test('trains d learners of Finite Aggregation on each video; with d = 1 they are those of DPA', async () => {
    const { set, test, encoder } = await prepared({ kind: 'attentive', epochs: 1 })
    const family = engineLearners(recorder)
    const offsets = spreadOffsets(3, 2)
    const spread = { ...plan, learners: 6, offsets }
    const all = await family.train(set, spread)
    const fewer = await family.train(without(set, 0), spread)
    const changed = all.records.filter(({ sha256 }, i) => sha256 !== fewer.records[i].sha256)
    expect(changed.map(({ learner }) => learner)).toEqual(learnersOfBucket(all.assignment.bucketOf[0], 6, offsets))
    expect(all.records.reduce((sum, { samples }) => sum + samples, 0)).toBe(2 * set.rows)

    const threat = { threat: 'general', encoder } as const
    const declared = {
      learners: family,
      by: 'content',
      partitions: 3,
      threads: 1,
      threat,
      directory: inFolder('spread'),
    } as const
    const runsOf = async (rules: readonly Rule[], d?: number) =>
      (await certify(set, test, { ...declared, rules, spread: d })).certificate.runs
    const [disjoint] = await runsOf(['dpa', 'roe'])
    const finite = await runsOf(['fa', 'roe_fa'], 2)
    expect(finite.map(({ learners }) => learners)).toEqual([6, 6])
    seedsDrawn.length = 0
    expect(await runsOf(['fa', 'roe_fa'], 2)).toEqual(finite)
    const [single] = await runsOf(['fa'], 1)
    expect(single.learnersDigest).toBe(disjoint.learnersDigest)
    expect(seedsDrawn).toEqual([])
  })

  test('goes through certify and audit: no learner changes that should not', async () => {
    const { set, test, encoder } = await prepared({ kind: 'attentive', epochs: 1 })
    const { learners } = await prepared({ kind: 'attentive', epochs: 1 })
    const directory = inFolder('certified')
    const wanted = { learners, by: 'content', partitions: 3, rules: ['dpa', 'roe'], seeds: 2, threads: 2 } as const
    const declared = { ...wanted, threat: { threat: 'general', encoder }, directory } as const
    await trainShare(set, declared, { index: 0, count: 2 })
    const { certificate } = await certify(set, test, declared)
    expect(certificate.runs.map(({ seeds, learners: count }) => [seeds, count])).toEqual([
      [2, 3],
      [2, 3],
    ])
    expect(certificate.learner.kind).toBe('attentive')
    const report = await audit(set, test, { ...wanted, rule: 'roe', trials: 3, attacks: 1, attackClips: 3 })
    assertAudit(report)
    expect(report.changedLearners).toBeGreaterThan(0)
  })

  test('refuses options that a learner does not have', async () => {
    const refused = (learner: LearnerOptions, more: Partial<CertifyVideosOptions> = {}) =>
      expect(planCertification(options(learner, more))).rejects
    await refused({ kind: 'scratch' }, { from: 'pixels' }).toThrow(/a checkpoint/)
    await refused({ kind: 'ridge', epochs: 3 }).toThrow(/epochs/)
    await refused({ kind: 'full', lambda: 1 }).toThrow(/lambda/)
    await refused({ kind: 'attentive' }, { trusted: videos }).toThrow(/trusted/)
    for (const name of ['clips', 'testClips'])
      await refused({ kind: 'full' }, { [name]: 2 }).toThrow(`1 with full base classifiers for ${name}`)
    await refused({ kind: 'ridge' }, { trust: 'fixed' }).toThrow(/fitted to data/)
    expect(ownOptions({ kind: 'ridge', epochs: 3, lambda: 1 })).toMatchObject({ lambda: 1, epochs: undefined })
    expect(ownOptions({ kind: 'attentive', epochs: 3, lambda: 1 })).toMatchObject({ lambda: undefined, epochs: 3 })
    const { set, learners } = await prepared({ kind: 'attentive' })
    await expect(learners.train(set, { ...plan, groups: 3 })).rejects.toMatchObject({ code: 'LEARNER_NOT_GROUPED' })
    await refused({ kind: 'full' }, { from: [run, run] }).toMatchObject({ code: 'LEARNER_NOT_GROUPED' })
    const attentive = await planCertification(options({ kind: 'attentive' }))
    expect(() => checkCertificationPlan(attentive, 'content', ['groups'], 'label_flip')).toThrow(
      /heads on pooled features/,
    )
  })
})

describe('an encoder for each group', () => {
  test('is pretrained on the list of its group, checked, and certified by rule groups', async () => {
    const all = options({ kind: 'ridge' }, { from: [] })
    const { split, classes } = await planVideos(all)
    const groupOf = groupsOf(split.train, classes, 'content', 2)
    const lists = await writeGroupLists(inFolder(), split.train, groupOf, 2)
    const { data: _, ...rest } = tinyRun('')
    const configuration = runSchema.parse({ ...rest, data: { samplesPerClip: 2, workers: 1 } })
    const from = await pretrainGroups(lists, configuration, inFolder('groups'), {})
    const wanted = { ...all, from }
    const grouped = await planCertification(wanted)
    expect(grouped.encoder).toMatchObject({ trust: 'per_group', labelsUsed: false })
    checkCertificationPlan(grouped, 'content', ['groups'], 'general')
    expect(() => checkCertificationPlan(grouped, 'content', ['dpa'], 'general')).toThrow(/counts one/)
    await prepareLearners(grouped, wanted, async ({ learners, set, test, encoder }) => {
      expect(test.perGroup).toHaveLength(2)
      const { certificate } = await certify(set, test, {
        ...{ learners, by: 'content', partitions: 6, rules: ['groups'], groups: 2, threads: 1 },
        threat: { threat: 'general', encoder },
      })
      expect(certificate.runs[0]).toMatchObject({ rule: 'groups', groups: 2, learners: 6 })
      expect(certificate.threat.encoder.trust).toBe('per_group')
    })
    // The audit trains a part of each encoder again: a poisoned sample then changes heads next to its own.
    const { set, test, learners } = await prepareGroups(grouped, wanted, 2)
    expect(test.perGroup).toHaveLength(2)
    const audited = { by: 'content', partitions: 6, rule: 'groups', groups: 2, threads: 1 } as const
    const report = await audit(set, test, { ...audited, learners, trials: 10, attacks: 3 })
    assertAudit(report)
    expect(report.retrained).toContain('the encoders of the groups are given')
    expect(report.changedLearners).toBeGreaterThan(report.trials)
    // Encoders in the wrong order have seen other groups; one with unknown training may have.
    await expect(planCertification({ ...all, from: [from[1], from[0]] })).rejects.toThrow(/encoder 0 .* group 1/s)
    await expect(
      planCertification({ ...all, from: [from[0], `${from[1]}/step-00000002/model.safetensors`] }),
    ).rejects.toThrow(/training data are unknown/)
  })
})

test('resample: identity, mirror, and the mean of neighbors', () => {
  const from = Uint8Array.from({ length: 4 * 4 * 3 }, (_, i) => 4 * i)
  const [whole, output] = [
    { x: 0, y: 0, width: 4, height: 4 },
    { width: 4, height: 4 },
  ]
  const to = new Uint8Array(48)
  resample(from, { width: 4, height: 4 }, { crop: whole, scale: output, flip: false }, output, to)
  expect([...to]).toEqual([...from])
  resample(from, { width: 4, height: 4 }, { crop: whole, scale: output, flip: true }, output, to)
  expect([...to.subarray(0, 3)]).toEqual([...from.subarray(9, 12)])
  const half = { width: 2, height: 2 }
  resample(from, { width: 4, height: 4 }, { crop: whole, scale: half, flip: false }, half, to)
  // Pixel (0, 0) of half the size is between the first two pixels of the first two rows.
  expect(to[0]).toBe((from[0] + from[3] + from[12] + from[15]) / 4)
})
