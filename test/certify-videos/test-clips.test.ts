/**
 * Predicted videos of several clips: their row is the mean over the features of the clips, in the certificate, in predictions of the
 * ensemble, and in its ONNX file. Oracle: features of single clips in the store, and the votes of the certificate.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { type CertifiedVideos, type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { readEnsemble } from '../../src/certify/videos/ensemble/ensemble-file.ts'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import { openCertifiedEnsemble } from '../../src/certify/videos/ensemble/open-ensemble.ts'
import { voteNames } from '../../src/certify/videos/ensemble/votes-graph.ts'
import { videoFeatures } from '../../src/certify/videos/feature-sets.ts'
import { forecastCertification } from '../../src/certify/videos/forecast/forecast.ts'
import { planCertification } from '../../src/certify/videos/plan.ts'
import { prepareSets } from '../../src/certify/videos/prepare.ts'
import { verifyCertificate } from '../../src/certify/videos/verify-videos.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { temporalViews } from '../../src/inference/views.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runAsText } from '../support/run-here.ts'
import { shakenState, tinyConfiguration } from '../support/tiny-model.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-certify-test-clips-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

const configuration = tinyConfiguration({ imageSize: [8, 16] })
const clips = 3

const job = (out: string, more: Partial<CertifyVideosJob> = {}): CertifyVideosJob & { readonly cache: string } => ({
  ...{ data: inFolder('videos'), from: inFolder('encoder'), partitions: 4, rules: ['dpa'], testShare: 0.4, stride: 1 },
  ...{ trust: 'public', readout: 'motion:2', clips, trusted: inFolder('elsewhere') },
  ...{ out: inFolder(out), cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
  ...more,
})

let several: CertifiedVideos

beforeAll(async () => {
  const state = shakenState(parameterShapes(configuration, 'encoder'))
  await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'encoder', state })
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('videos'), { clips: 20, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(inFolder('elsewhere'), { clips: 6, size: 32, frames: 8, seed: 2, classes })
  several = await certifyVideos(job('several'))
})

/** What a certificate says of its inputs. */
const inputsOf = ({ certificate }: CertifiedVideos) =>
  certificate.runs[0].inputs!.map(({ id: _, label: __, ...rest }) => rest)

describe('predicted videos of several clips', () => {
  test('are the mean over their clips', async () => {
    const { onProgress: _, ...given } = job('unused', { trusted: undefined })
    const plan = await planCertification(given)
    const { set, test } = await prepareSets(plan, given)
    expect([set.rows, test.rows]).toEqual([plan.split.train.length * clips, plan.split.test.length])
    const single = await videoFeatures(plan.sources[0], plan.split.test, given)
    expect(single.rows).toBe(test.rows * clips)
    for (let row = 0; row < test.rows; row++)
      for (let k = 0; k < test.width; k++) {
        const at = (clip: number) => single.features[(row * clips + clip) * test.width + k]
        expect(test.features[row * test.width + k]).toBe(Math.fround((at(0) + at(1) + at(2)) / 3))
      }
    const forecast = await forecastCertification(job('unused'))
    expect(forecast.features?.items).toBe(clips * 20 + 6)
    // All clips of a video are in memory together, 900 more of 4 x 8 x 16 pixels here: four videos ahead, one in use, and its copy.
    const many = await forecastCertification(job('unused', { testClips: 903 }))
    expect(many.memory.features!.data - forecast.memory.features!.data).toBe(6 * 900 * 4 * 8 * 16 * 3)
  })

  test('are as many clips as each training video has, unless other numbers are asked for; both are recorded', async () => {
    expect(several.certificate.options).toMatchObject({ clips, testClips: clips })
    const middle = await certifyVideos(job('middle', { testClips: 1 }))
    expect(middle.certificate.options).not.toHaveProperty('testClips')
    const [run, other] = [several, middle].map(({ certificate }) => certificate.runs[0])
    expect(run.learnersDigest).toBe(other.learnersDigest)
    const ballots = (out: string) => readFileSync(inFolder(out, 'ballots-k4-d1.npy'))
    expect(ballots('several').equals(ballots('middle'))).toBe(false)
    const { description } = await readEnsemble(inFolder('middle', 'ensemble-k4-d1.safetensors'))
    expect(description.features).not.toHaveProperty('testClips')
    // In the folder of the first, what was voted there is not taken for these inputs.
    const again = await certifyVideos(job('several', { testClips: 2 }))
    expect(again.certificate.options).toMatchObject({ testClips: 2 })
    expect(ballots('several').equals(ballots('middle'))).toBe(false)
    several = await certifyVideos(job('several'))
  })

  test('are verified by training again', async () => {
    const options = { data: inFolder('videos'), retrain: [0, 1, 2, 3], cache: inFolder('store') }
    for (const out of ['several', 'middle']) {
      const found = await verifyCertificate(inFolder(out, 'certificate.json'), options)
      expect(found.differences).toEqual([])
      expect(found.checked.join('\n')).toContain('votes on all inputs')
    }
  })

  test('are predicted so by the ensemble, and refused with another number', async () => {
    const { certificate, plan } = several
    const ensemble = await openCertifiedEnsemble(inFolder('several'), { threads: 1, workers: 1 })
    const predictions = await ensemble.predict(plan.split.test.map((video) => video.path))
    await ensemble.close()
    const expected = certificate.runs[0].inputs!
    expect(predictions).toHaveLength(expected.length)
    for (const [i, { prediction, radius }] of expected.entries())
      expect(predictions[i]).toMatchObject({ label: certificate.classNames[prediction], radius })
    const command = `predict ${plan.split.test[0].path} --certified ${inFolder('several')}`
    const { code, text } = await runAsText(command)
    expect(code, text).toBe(0)
    expect(text).toContain(`${predictions[0].ok && predictions[0].label}  radius`)
    expect(await runAsText(`${command} --clips 1`)).toMatchObject({
      code: 3,
      text: expect.stringContaining('ENSEMBLE_MISMATCH'),
    })
    await expect(openCertifiedEnsemble(inFolder('several'), { clips: 1 })).rejects.toMatchObject({
      code: 'ENSEMBLE_MISMATCH',
      message: expect.stringContaining('3 of each video'),
    })
  })

  test('are the clips of one input in the exported file', async () => {
    const out = inFolder('votes.onnx')
    const exported = await exportEnsemble(inFolder('several'), { out })
    expect(exported.check).toMatchObject({ clips: 8 * clips, votes: 4 * 8, differentVotes: 0 })
    expect(exported.sidecar.clip?.sampling?.views).toContain('the mean of the features of 3 views')
    expect(exported.sidecar.outputs.map(({ axes }) => axes[0])).toEqual(['video', 'video'])
    const paths = several.plan.split.test.map((video) => video.path)
    const loaded: Uint8Array[] = []
    const { sampling } = (await readEnsemble(inFolder('several', 'ensemble-k4-d1.safetensors'))).description.features
      .encoders[0]
    const samplings = temporalViews(sampling, configuration.frames, clips)
    const entries = paths.map((file) => ({ path: file, id: file }))
    for await (const video of loadClips({ entries, samplings, size: { height: 8, width: 16 }, workers: 1 })) {
      if (!video.ok) throw new Error(video.reason)
      loaded[video.index] = video.clips
    }
    const { create, Tensor } = await loadRuntime()
    const session = await create(out)
    const shape = [paths.length * clips, configuration.frames, 8, 16, 3]
    const input = new Tensor('uint8', new Uint8Array(Buffer.concat(loaded)), shape)
    const outputs = await session.run({ [session.inputNames[0]]: input })
    await session.release()
    const [inputs, learners, classes] = outputs[voteNames.scores].dims as [number, number, number]
    expect(inputs).toBe(paths.length)
    const ranks = Uint8Array.from(outputs[voteNames.votes].data as BigInt64Array, Number)
    const votes = { inputs, learners, classes, places: 1, ranks }
    expect(certifyBallots(votes, { rule: 'dpa' })).toEqual(inputsOf(several))
  })
})
