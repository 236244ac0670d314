/**
 * Certificates of heads on another readout than the mean: recorded, voted on, exported, and never mixed with those of another one.
 * Oracle: the certificate, and the readout of the float64 reference engine.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { type CertifiedVideos, type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { lethalDoseOfVideos } from '../../src/certify/videos/dose-videos.ts'
import { readEnsemble, writeEnsemble } from '../../src/certify/videos/ensemble/ensemble-file.ts'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import { openCertifiedEnsemble } from '../../src/certify/videos/ensemble/open-ensemble.ts'
import { voteNames } from '../../src/certify/videos/ensemble/votes-graph.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify/videos/plan.ts'
import { prepareSets } from '../../src/certify/videos/prepare.ts'
import { verifyCertificate } from '../../src/certify/videos/verify-videos.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { buildEncodeProgram, buildPatchProgram, type PatchGeometry } from '../../src/model/encode-program.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { pixelValues } from '../../src/model/pixel-values.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runOnce, shakenState, tinyConfiguration } from '../support/tiny-model.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-certify-readout-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

/** 2 x 2 x 4 tokens. */
const configuration = tinyConfiguration({ imageSize: [8, 16] })
const state = shakenState(parameterShapes(configuration, 'encoder'))

beforeAll(async () => {
  await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'encoder', state })
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('videos'), { clips: 20, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(inFolder('elsewhere'), { clips: 6, size: 32, frames: 8, seed: 2, classes })
})

const job = (out: string, more: Partial<CertifyVideosJob> = {}): CertifyVideosJob => ({
  ...{ data: inFolder('videos'), from: inFolder('encoder'), partitions: 4, rules: ['dpa'], testShare: 0.4, stride: 1 },
  ...{ trust: 'public', out: inFolder(out), cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
  ...more,
})

/** The same videos, for what comes before the mathematics. */
const planned = (more: Partial<CertifyVideosOptions>): CertifyVideosOptions => ({
  ...{ data: inFolder('videos'), from: inFolder('encoder'), testShare: 0.4, stride: 1, trust: 'public' },
  ...{ cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
  ...more,
})

const sizeOf = ({ imageSize: [height, width] }: PatchGeometry) => ({ height, width })

async function clipsOf(paths: readonly string[], geometry: PatchGeometry): Promise<Uint8Array[]> {
  const clips: Uint8Array[] = []
  const samplings = [{ kind: 'dense-view', frames: geometry.frames, stride: 1, view: 0, views: 1 }] as const
  const entries = paths.map((file) => ({ path: file, id: file }))
  for await (const loaded of loadClips({ entries, samplings, size: sizeOf(geometry), workers: 1 })) {
    if (!loaded.ok) throw new Error(loaded.reason)
    clips[loaded.index] = loaded.clips
  }
  return clips
}

/** What a certificate says of its inputs. */
const inputsOf = ({ certificate }: CertifiedVideos) =>
  certificate.runs[0].inputs!.map(({ id: _, label: __, ...rest }) => rest)

async function requireSamePredictions(result: CertifiedVideos): Promise<void> {
  const { certificate, plan } = result
  const ensemble = await openCertifiedEnsemble(path.dirname(result.files[0]), { threads: 1, workers: 1 })
  try {
    const predictions = await ensemble.predict(plan.split.test.map((video) => video.path))
    const expected = certificate.runs[0].inputs!
    expect(predictions).toHaveLength(expected.length)
    for (const [i, { prediction, radius }] of expected.entries())
      expect(predictions[i]).toMatchObject({ label: certificate.classNames[prediction], radius })
  } finally {
    await ensemble.close()
  }
}

/** Votes of an exported file on the clips of a certificate. */
async function requireSameVotes(result: CertifiedVideos, input: 'uint8' | 'float32', geometry: PatchGeometry) {
  const out = inFolder(`${path.basename(path.dirname(result.files[0]))}-${input}.onnx`)
  await exportEnsemble(path.dirname(result.files[0]), { out, input })
  const paths = result.plan.split.test.map((video) => video.path)
  const clips = new Uint8Array(Buffer.concat(await clipsOf(paths, geometry)))
  const { frames } = geometry
  const { height, width } = sizeOf(geometry)
  const { create, Tensor } = await loadRuntime()
  const session = await create(out)
  try {
    const tensor =
      input === 'uint8'
        ? new Tensor('uint8', clips, [paths.length, frames, height, width, 3])
        : new Tensor('float32', pixelValues(clips, configuration), [paths.length, frames, 3, height, width])
    const outputs = await session.run({ [session.inputNames[0]]: tensor })
    const [inputs, learners, classes] = outputs[voteNames.scores].dims as [number, number, number]
    const ranks = Uint8Array.from(outputs[voteNames.votes].data as BigInt64Array, Number)
    const votes = { inputs, learners, classes, places: 1, ranks }
    expect(certifyBallots(votes, { rule: 'dpa' })).toEqual(inputsOf(result))
  } finally {
    await session.release()
  }
}

describe('a certificate on motion', () => {
  test('is of the features that the reference computes, and says so', async () => {
    const given = planned({ readout: 'motion:2', engine: 'reference' })
    const plan = await planCertification(given)
    const { set } = await prepareSets(plan, given)
    const program = buildEncodeProgram({ configuration, batch: 1, readout: 'motion:2' })
    const { train } = plan.split
    for (const [i, frames] of (
      await clipsOf(
        train.map((video) => video.path),
        configuration,
      )
    ).entries()) {
      const { pooled } = await runOnce(program, state, { frames })
      const row = set.ids.indexOf(train[i].id)
      expect([...set.features.subarray(row * set.width, (row + 1) * set.width)]).toEqual([...pooled])
    }
  })

  test('is recorded, predicts new videos and is exported with its readout', async () => {
    const result = await certifyVideos(job('motion', { readout: 'motion:2', trusted: inFolder('elsewhere') }))
    expect(result.certificate.options).toMatchObject({ readout: 'motion:2' })
    const stored = await readEnsemble(inFolder('motion', 'ensemble-k4-d1.safetensors'))
    expect(stored.description.features.readout).toBe('motion:2')
    expect(stored.heads.width).toBe(2 * 2 * configuration.encoder.width)
    await requireSamePredictions(result)
    await requireSameVotes(result, 'uint8', configuration)
    await requireSameVotes(result, 'float32', configuration)
    expect((await verifyCertificate(inFolder('motion', 'certificate.json'))).differencesFound).toBe(0)
  })

  test('needs no encoder', async () => {
    const result = await certifyVideos(job('pixels', { from: 'pixels', readout: 'motion:2', trust: undefined }))
    expect(result.certificate).toMatchObject({
      options: { from: ['pixels'], readout: 'motion:2' },
      threat: { encoder: { trust: 'fixed' } },
    })
    const geometry = { frames: 8, imageSize: [48, 48], channels: 3, patch: 8, tubelet: 2 } as const
    const { heads } = await readEnsemble(inFolder('pixels', 'ensemble-k4-d1.safetensors'))
    expect(heads.width).toBe(2 * 2 * 384)
    const [test] = result.plan.split.test
    const [clip] = await clipsOf([test.path], geometry)
    const { pooled } = await runOnce(buildPatchProgram(geometry, 1, 'motion:2'), new Map(), { frames: clip })
    expect(pooled.some((value) => value > 0)).toBe(true)
    await requireSamePredictions(result)
    await requireSameVotes(result, 'uint8', geometry)
    const refused = exportEnsemble(inFolder('pixels'), { out: inFolder('refused.onnx'), input: 'float32' })
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('the mean', () => {
  test('gives the same bytes, named or not, and no new field', async () => {
    const named = await certifyVideos(job('named', { readout: 'mean' }))
    await certifyVideos(job('unnamed'))
    for (const file of ['certificate.json', 'ensemble-k4-d1.safetensors'])
      expect(readFileSync(inFolder('named', file)).equals(readFileSync(inFolder('unnamed', file))), file).toBe(true)
    expect(named.certificate.options).not.toHaveProperty('readout')
    const { description } = await readEnsemble(inFolder('named', 'ensemble-k4-d1.safetensors'))
    expect(description.features).not.toHaveProperty('readout')
    expect(readFileSync(inFolder('unnamed', 'certificate.json'), 'utf8')).not.toContain('"readout"')
  })
})

describe('another readout', () => {
  test('is another encoder to a certificate, and never finds the learners of the first', async () => {
    const digests = new Set<string>()
    for (const readout of ['mean', 'grid:2', 'motion:2', 'motion-rms:2'])
      digests.add((await planCertification(planned({ readout }))).encoder.digest)
    expect(digests.size).toBe(4)
    await certifyVideos(job('mixed', { readout: 'motion:2' }))
    // As wide as the first.
    await expect(certifyVideos(job('mixed', { readout: 'grid:2' }))).rejects.toMatchObject({ code: 'STORE_MISMATCH' })
  })

  test('in an ensemble file is refused: the heads were trained on the first', async () => {
    await certifyVideos(job('forged', { readout: 'motion:2' }))
    const stored = await readEnsemble(inFolder('forged', 'ensemble-k4-d1.safetensors'))
    mkdirSync(inFolder('other'), { recursive: true })
    const forged = async (readout: string | undefined) => {
      const { features } = stored.description
      const description = { ...stored.description, features: { ...features, readout } }
      await writeEnsemble(inFolder('other', 'ensemble.safetensors'), { ...stored, description })
      return openCertifiedEnsemble(inFolder('other', 'ensemble.safetensors'))
    }
    for (const readout of ['grid:2', 'mean', undefined])
      await expect(forged(readout), readout).rejects.toMatchObject({ code: 'ENSEMBLE_MISMATCH' })
    await expect(forged('sparkle')).rejects.toMatchObject({
      code: 'ENSEMBLE_INVALID',
      message: expect.stringContaining('"sparkle"'),
    })
    await expect(forged('motion:9')).rejects.toMatchObject({ code: 'READOUT_UNFIT' })
  })

  test.each(['frames', 'values'] as const)(
    'or another number of %s in an ensemble file is refused by name',
    async (what) => {
      const stored = await readEnsemble(inFolder('forged', 'ensemble-k4-d1.safetensors'))
      const { description, heads } = stored
      const [encoder] = description.features.encoders
      const { learners, classes, width } = heads
      const forged =
        what === 'frames'
          ? {
              ...stored,
              description: {
                ...description,
                features: { ...description.features, encoders: [{ ...encoder, frames: 8192 }] },
              },
            }
          : { ...stored, heads: { ...heads, width: width - 1, weights: new Float32Array(learners * classes * width) } }
      await writeEnsemble(inFolder('other', 'ensemble.safetensors'), forged)
      await expect(openCertifiedEnsemble(inFolder('other', 'ensemble.safetensors'))).rejects.toMatchObject({
        code: 'ENSEMBLE_MISMATCH',
        message: expect.stringContaining(what),
      })
    },
  )

  test('that this program does not know is refused by name in a certificate', async () => {
    await certifyVideos(job('unknown', { readout: 'motion:2' }))
    const file = inFolder('unknown', 'certificate.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"readout":"motion:2"', '"readout":"sparkle"'))
    await expect(verifyCertificate(file)).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringContaining('"sparkle"'),
    })
  })

  test.each([
    ['unknown', { readout: 'sparkle' }, 'READOUT_UNKNOWN'],
    ['of more cells than tokens', { readout: 'motion' }, 'READOUT_UNFIT'],
    ['of learners on tokens', { readout: 'motion:2', learner: { kind: 'attentive' } }, 'INVALID_ARGUMENT'],
    ['of learners on frames', { readout: 'mean', learner: { kind: 'scratch' } }, 'INVALID_ARGUMENT'],
  ] as const)('%s is refused before any video is decoded', async (_, more, code) => {
    await expect(certifyVideos(job('refused', more))).rejects.toMatchObject({ code })
  })
})

test('lethal doses are measured with the readout of heads', async () => {
  const {
    partitions: _,
    rules: __,
    from: ___,
    ...rest
  } = job('dose', { readout: 'motion:2', cache: inFolder('doses') })
  await lethalDoseOfVideos({
    ...rest,
    ...{ from: [inFolder('encoder')], learners: [{ kind: 'ridge' }, { kind: 'nearest_mean' }] },
    ...{ partitions: [3], subsets: 10 },
  })
  const keys = readdirSync(inFolder('doses'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /key\.json$/.test(name),
  )
  expect(keys).not.toEqual([])
  for (const key of keys)
    expect(JSON.parse(readFileSync(inFolder('doses', key), 'utf8'))).toMatchObject({ readout: 'motion:2' })
})
