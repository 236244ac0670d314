/**
 * Learners, scores and features that are kept on disk belong to one encoder, one program and one way of computing them.
 * Oracle: the same with nothing on disk.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LethalDoseReport } from '../../src/certify/dose/lethal-dose.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import type { EnsemblePlan } from '../../src/certify/ensemble/learners.ts'
import type { LearnerKind } from '../../src/certify/videos/learners/learner-options.ts'
import type { VideoInputs, VideoSet } from '../../src/certify/videos/learners/video-set.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify/videos/plan.ts'
import { type Prepared, prepareLearners, prepareSets } from '../../src/certify/videos/prepare.ts'
import { lethalDose } from '../../src/cli/commands/lethal-dose.ts'
import { lethalDoseCommand } from '../../src/cli/lethal-dose.ts'
import { readEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { listVideos } from '../../src/video/source.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { optionsWith } from '../support/options-with.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'

const folder = folderForTests('videomae-kept-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const videos = inFolder('videos')

const pretrainOn = (data: string, out: string, seed: number) =>
  pretrain(runSchema.parse(tinyRun(data, { seed })), { out, processes: decoding })

beforeAll(async () => {
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('elsewhere'), { clips: 4, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(videos, { clips: 12, size: 32, frames: 8, seed: 2, classes })
  await pretrainOn(inFolder('elsewhere'), inFolder('first'), 0)
  await pretrainOn(inFolder('elsewhere'), inFolder('second'), 1)
})

const options = (from: string, more: Partial<CertifyVideosOptions> = {}): CertifyVideosOptions => ({
  ...{ data: videos, from: inFolder(from), cache: inFolder('store'), threads: 1, workers: 1, testShare: 0.3 },
  processes: decoding,
  ...more,
})

async function prepared(kind: LearnerKind, from: string): Promise<Prepared<VideoSet, VideoInputs>> {
  const all = options(from, { learner: { kind, epochs: 1 } })
  return prepareLearners(
    await planCertification(all),
    all,
    async (ready) => ready as unknown as Prepared<VideoSet, VideoInputs>,
  )
}

const plan: EnsemblePlan = { by: 'content', learners: 2, threads: 1 }

describe('learners that are kept', () => {
  test.each(['attentive', 'full'] as const)('are of one encoder: %s', async (kind) => {
    const [first, second] = [await prepared(kind, 'first'), await prepared(kind, 'second')]
    const directory = inFolder(`learners-${kind}`)
    const share = (index: number) => ({ ...plan, directory, shard: { index, count: 2 } })
    await first.learners.train(first.set, share(0))
    const refused = { code: 'STORE_MISMATCH', hint: expect.stringContaining('encoder') }
    await expect(second.learners.train(second.set, { ...plan, directory })).rejects.toMatchObject(refused)
    await expect(second.learners.train(second.set, share(1))).rejects.toMatchObject(refused)
    await expect(second.learners.merge(second.set, { ...plan, directory })).rejects.toMatchObject(refused)
    // The names of scores follow from the digests of learners: an empty one has no weights that would tell.
    const empty = { ...plan, learners: 40 }
    const digests = async ({ learners, set }: typeof first) =>
      (await learners.train(set, empty)).records.map(({ sha256 }) => sha256)
    const [one, other] = [await digests(first), await digests(second)]
    expect(one.filter((digest) => other.includes(digest))).toEqual([])
  })

  test('do not depend on the weights of an encoder of which only the sizes count', async () => {
    const [first, second] = [await prepared('scratch', 'first'), await prepared('scratch', 'second')]
    const directory = inFolder('learners-scratch')
    const { records } = await first.learners.train(first.set, { ...plan, directory })
    const again = await second.learners.train(second.set, { ...plan, directory })
    expect([again.resumed, again.records]).toEqual([2, records])
  })

  test('heads are of one encoder, too', async () => {
    const directory = inFolder('heads')
    const learners = headLearners({ kind: 'ridge' })
    const sets = async (from: string) => prepareSets(await planCertification(options(from)), options(from))
    await learners.train((await sets('first')).set, { ...plan, directory })
    await expect(learners.train((await sets('second')).set, { ...plan, directory })).rejects.toMatchObject({
      code: 'STORE_MISMATCH',
    })
  })
})

describe('features that are kept', () => {
  test('of clips that shared a run, or from another engine or decoder, are not those of a certificate', async () => {
    const cache = inFolder('shared-store')
    const source = await readEncoder(inFolder('first'))
    const entries = listVideos(videos)
    const many = { cache, threads: 1, workers: 1, processes: decoding }
    const computedBy = async (more: object) => (await computeFeatures(source, entries, { ...many, ...more })).computed
    expect(await computedBy({ batch: 8 })).toBe(12)
    expect(await computedBy({ batch: 4 })).toBe(0) // what fine-tuning has computed, it uses again
    const keys = () =>
      readdirSync(cache).map((id) => JSON.parse(readFileSync(path.join(cache, id, 'key.json'), 'utf8')))
    const wanted = options('first', { cache })
    await prepareSets(await planCertification(wanted), wanted)
    const runs = keys().map(({ run }) => run)
    expect(runs).toHaveLength(2)
    const common = { engine: expect.any(String), precision: 'float32', decoder: 'node-av' }
    expect(runs).toContainEqual({ alone: true, ...common })
    expect(runs).toContainEqual({ alone: false, ...common })
    expect(await computedBy({ batch: 1 })).toBe(0)
    expect(await computedBy({ batch: 1, engine: 'reference' })).toBe(12)
  })
})

describe('a lethal-dose study', () => {
  const study = { partitions: '2,4', subsets: 10, workers: 1, threads: 1, quiet: true } as const
  beforeEach(() => void vi.spyOn(process.stdout, 'write').mockReturnValue(true))
  afterEach(() => void vi.restoreAllMocks())

  test('says what its radii are a promise against, for each encoder', async () => {
    const out = inFolder('dose')
    await lethalDoseCommand(videos, optionsWith(lethalDose, { ...study, from: [inFolder('first'), 'pixels'], out }))
    const { learners } = JSON.parse(readFileSync(path.join(out, 'lethal-dose.json'), 'utf8')) as LethalDoseReport
    expect(learners.map(({ threat }) => [threat?.threat, threat?.encoder.trust, threat?.encoder.overlap])).toEqual([
      ['general', 'external', 0],
      ['general', 'fixed', 0],
    ])
    const table = readFileSync(path.join(out, 'lethal-dose.md'), 'utf8')
    expect(table).toContain('encoder external, 0 samples shared with the protected set')
    expect(table).toContain('nobody who may poison the protected set could influence the encoder')
  })

  test('refuses what the encoder does not allow, as a certificate does', async () => {
    await pretrainOn(videos, inFolder('seen'), 0)
    const wanted = optionsWith(lethalDose, { ...study, from: ['pixels', inFolder('seen')], out: inFolder('dose-seen') })
    await expect(lethalDoseCommand(videos, wanted)).rejects.toMatchObject({ code: 'THREAT_NOT_CERTIFIED' })
    await lethalDoseCommand(videos, { ...wanted, threat: 'label_flip' })
    const table = readFileSync(path.join(inFolder('dose-seen'), 'lethal-dose.md'), 'utf8')
    expect(table).toContain('encoder protected_set')
    expect(table).toContain('the videos themselves are trusted')
  })
})
