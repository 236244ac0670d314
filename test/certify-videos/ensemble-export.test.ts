/**
 * Certified ensembles as ONNX files, run by ONNX Runtime. Oracle: the certificate, whose predictions and radii must follow from the
 * votes of the file.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type Ballots, ballotsFromScores } from '../../src/certify/rules/ballot.ts'
import { certifyBallots } from '../../src/certify/rules/certify-ballots.ts'
import { type CertifiedVideos, type CertifyVideosJob, certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { readEnsemble } from '../../src/certify/videos/ensemble/ensemble-file.ts'
import { exportEnsemble } from '../../src/certify/videos/ensemble/export-ensemble.ts'
import { openCertifiedEnsemble } from '../../src/certify/videos/ensemble/open-ensemble.ts'
import { voteNames } from '../../src/certify/videos/ensemble/votes-graph.ts'
import { pixelRow } from '../../src/certify/videos/pixels.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { readModel } from '../../src/format/onnx.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { pixelValues } from '../../src/model/pixel-values.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { loadClips } from '../../src/video/load-clips.ts'
import { unnoticedInModel } from '../support/changed-bytes.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { videomae } from '../support/run-program.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-ensemble-export-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const [elsewhere, videos, encoder] = [inFolder('elsewhere'), inFolder('videos'), inFolder('encoder')]
const from = `untrained:${encoder}`
const configuration = resolveConfiguration({
  ...{ imageSize: 32, frames: 4, patch: 16, tubelet: 2 },
  encoder: { width: 16, depth: 1, heads: 2 },
  decoder: { width: 16, depth: 1, heads: 2 },
})

beforeAll(async () => {
  const classes = ['left', 'right', 'clockwise'] as const
  await generateMotionDataset(elsewhere, { clips: 6, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(videos, { clips: 24, size: 32, frames: 8, seed: 2, classes })
  const state = initialize(parameterShapes(configuration, 'encoder'), 1, 'pretrain')
  await saveCheckpointDirectory(encoder, { configuration, kind: 'encoder', state })
})

const certify = (out: string, more: Partial<CertifyVideosJob> = {}): Promise<CertifiedVideos> =>
  certifyVideos({
    // More partitions than samples: some learners have none, and abstain.
    ...{ data: videos, from, partitions: 20, testShare: 0.4, rules: ['dpa', 'roe'], stride: 1 },
    ...{ out: inFolder(out), cache: inFolder('store'), threads: 1, workers: 1, processes: decoding },
    ...more,
  })

/** The middle clip of every video of a certificate. */
async function clipsOf({ plan }: CertifiedVideos, size: number, frames: number): Promise<Uint8Array[]> {
  const clips: Uint8Array[] = []
  const samplings = [{ kind: 'dense-view', frames, stride: 1, view: 0, views: 1 }] as const
  for await (const loaded of loadClips({ entries: plan.split.test, samplings, size, workers: 1 })) {
    if (!loaded.ok) throw new Error(loaded.reason)
    clips[loaded.index] = loaded.clips
  }
  return clips
}

/** What follows from the outputs of a file, as a certificate lists it. */
async function certified(
  file: string,
  input: readonly [type: 'uint8' | 'float32', data: Uint8Array | Float32Array, shape: readonly number[]],
) {
  const { create, Tensor } = await loadRuntime()
  const session = await create(file)
  try {
    const outputs = await session.run({ [session.inputNames[0]]: new Tensor(...input) })
    const [inputs, learners, classes] = outputs[voteNames.scores].dims as [number, number, number]
    const scores = outputs[voteNames.scores].data as Float32Array
    const ranks = Uint8Array.from(outputs[voteNames.votes].data as BigInt64Array, Number)
    expect(outputs[voteNames.votes].dims).toEqual([inputs, learners])
    const votes: Ballots = { inputs, learners, classes, places: 1, ranks }
    return { votes, scores, byVotes: certifyBallots(votes, { rule: 'dpa' }) }
  } finally {
    await session.release()
  }
}

const inputsOf = ({ certificate }: CertifiedVideos, rule: 'dpa' | 'roe') =>
  certificate.runs.find((one) => one.rule === rule)!.inputs!.map(({ id: _, label: __, ...rest }) => rest)

describe('an exported ensemble', () => {
  test.each([
    ['ridge', 'uint8'],
    ['nearest_mean', 'float32'],
    ['linear', 'uint8'],
  ] as const)('of %s heads gives the certificate from %s frames', async (kind, input) => {
    const result = await certify(kind, { learner: { kind }, ...(kind === 'ridge' ? { trusted: elsewhere } : {}) })
    const out = inFolder(`${kind}.onnx`)
    const written = await exportEnsemble(inFolder(kind), { out, input })
    expect(written.check).toMatchObject({ clips: 8, votes: 160, differentVotes: 0 })
    expect(written.digest).toBe(result.certificate.runs[0].ensemble?.digest)
    const clips = Buffer.concat(await clipsOf(result, 32, 4))
    const count = result.plan.split.test.length
    const tensor =
      input === 'uint8'
        ? (['uint8', new Uint8Array(clips), [count, 4, 32, 32, 3]] as const)
        : (['float32', pixelValues(clips, configuration), [count, 4, 3, 32, 32]] as const)
    const { votes, scores, byVotes } = await certified(out, tensor)
    expect(byVotes).toEqual(inputsOf(result, 'dpa'))
    expect(byVotes.some(({ abstentions }) => abstentions > 0)).toBe(true)
    // Run-Off Election needs the scores: ballots of them, with the classes that learners know.
    const { heads } = await readEnsemble(path.join(inFolder(kind), 'ensemble-k20-d1.safetensors'))
    const ballots = ballotsFromScores(scores, votes.inputs, votes.learners, votes.classes, { knows: heads.knows })
    expect(certifyBallots(ballots, { rule: 'roe' })).toEqual(inputsOf(result, 'roe'))
    const { metadata } = await readModel(out)
    expect(metadata).toMatchObject({ 'videomae.task': 'certified-votes', 'videomae.ensemble_digest': written.digest })
    expect(JSON.parse(metadata!['videomae.ensemble'])).toMatchObject({ threat: result.certificate.threat })
  })

  test('takes features where there is no encoder, and through the command', async () => {
    const result = await certify('pixels', { from: 'pixels', partitions: 4 })
    const out = inFolder('pixels.onnx')
    const refused = exportEnsemble(inFolder('pixels'), { out })
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const command = ['export', 'pixels', '--certified', inFolder('pixels'), '--out', out, '--json']
    const { code, stdout, stderr } = await videomae(...command, '--input', 'pooled')
    expect(code, stdout + stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ input: 'pooled', check: { engine: null, votes: 32, differentVotes: 0 } })
    const rows = (await clipsOf(result, 16, 8)).map((clip) => pixelRow({ size: 16, readout: null }, clip))
    const all = Float32Array.from(rows.flatMap((row) => [...row]))
    const { byVotes } = await certified(out, ['float32', all, [rows.length, rows[0].length]])
    expect(byVotes).toEqual(inputsOf(result, 'dpa'))
    expect(await unnoticedInModel(out)).toEqual([])
    const other = await videomae('export', encoder, '--certified', inFolder('pixels'), '--out', out, '--json')
    expect(JSON.parse(other.stdout)).toMatchObject({ error: { code: 'ENSEMBLE_MISMATCH' } })
    const both = await videomae(...command, '--fp16')
    expect(JSON.parse(both.stdout)).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } })
    const engine = await videomae(...command, '--input', 'pooled', '--engine', 'native')
    expect(JSON.parse(engine.stdout)).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } })
    const predicting = openCertifiedEnsemble(inFolder('pixels'), { engine: 'native' })
    await expect(predicting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const without = await videomae('export', encoder, '--input', 'pooled', '--json')
    expect(JSON.parse(without.stdout)).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } })
  })

  test('is not written where it does not agree', async () => {
    await certify('exact', { partitions: 4 })
    const out = inFolder('exact.onnx')
    // No arithmetic gives the same last bits.
    await expect(exportEnsemble(inFolder('exact'), { out, tolerance: 0 })).rejects.toMatchObject({
      code: 'EXPORT_MISMATCH',
    })
    expect(existsSync(out)).toBe(false)
  })
})
