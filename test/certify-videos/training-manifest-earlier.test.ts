/**
 * What is known of the videos that runs of an earlier program were trained on, which did not write it down.
 * Oracle: which files took part is known here.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkCertificationPlan, planCertification } from '../../src/certify/videos/plan.ts'
import { trainingManifestOf } from '../../src/certify/videos/training-manifest.ts'
import { weightsDigest } from '../../src/train/weights-digest.ts'
import { withoutChecksums } from '../support/without-checksums.ts'
import { digestOf, finetuneOn, known, manifestFolder, pretrainOn, videosIn, withoutManifests } from './manifest-runs.ts'

const { inFolder: location, dataset, options, listOf, fill, remove } = manifestFolder()
beforeAll(fill)
afterAll(remove)

describe('a run of an earlier program', () => {
  const old = async (name: string, seed: number) => {
    const files = await dataset(name, seed)
    await pretrainOn(location(name), location(`${name}-run`))
    withoutManifests(location(`${name}-run`))
    return files
  }

  test('is known where its videos are unchanged, and what was found is kept next to it', async () => {
    await old('whole', 20)
    const manifest = await known(location('whole-run'))
    expect(manifest.samples.size).toBe(6)
    expect(existsSync(location('whole-run', 'training-manifest.json'))).toBe(true)
    rmSync(location('whole'), { recursive: true })
    expect(await known(location('whole-run'))).toEqual(manifest)
    // Not of other data that the configuration names by now.
    const file = location('whole-run', 'step-00000004', 'trainer-state.json')
    const state = JSON.parse(readFileSync(file, 'utf8'))
    state.configuration.data.path = location('elsewhere')
    writeFileSync(file, JSON.stringify(state))
    const others = videosIn(location('elsewhere')).map(digestOf)
    expect([...(await known(location('whole-run'))).samples]).toEqual(others.sort())
  })

  test('is known with files next to the weights that are none, as for weightsDigest', async () => {
    await old('beside', 28)
    const step = location('beside-run', 'step-00000004')
    const digest = await weightsDigest(step)
    writeFileSync(path.join(step, 'features.safetensors'), readFileSync(path.join(step, 'model.safetensors')))
    expect(await weightsDigest(step)).toBe(digest)
    expect((await known(step)).samples.size).toBe(6)
    // The head of a classifier is weights: one that training did not write leaves them unknown.
    cpSync(path.join(step, 'model.safetensors'), path.join(step, 'head.safetensors'))
    expect(await trainingManifestOf(step)).toMatchObject({ known: false })
  })

  test('is unknown where its weights were replaced', async () => {
    cpSync(location('run'), location('swapped'), { recursive: true })
    withoutManifests(location('swapped'))
    const checkpoint = location('swapped', 'step-00000004')
    // One of a later version says more than what is found here, and stays.
    const later = '{"schema":"videomae.training-manifest/9"}'
    writeFileSync(location('swapped', 'training-manifest.json'), later)
    expect((await known(checkpoint)).samples.size).toBe(6)
    expect(readFileSync(location('swapped', 'training-manifest.json'), 'utf8')).toBe(later)
    cpSync(location('run', 'step-00000002', 'model.safetensors'), path.join(checkpoint, 'model.safetensors'))
    expect(await trainingManifestOf(checkpoint)).toMatchObject({ known: false })
  })

  test('is unknown for weights that the state next to them does not name, and nothing is promised of these', async () => {
    await old('bound', 25)
    const [run, step] = [location('bound-run'), location('bound-run', 'step-00000004')]
    const foreign = location('foreign-weights')
    cpSync(step, foreign, { recursive: true })
    expect((await known(run)).samples.size).toBe(6)
    expect(existsSync(path.join(run, 'training-manifest.json'))).toBe(true)
    // Weights that were trained on the videos that are to be protected, in the place of those of the run.
    const others = location('run', 'step-00000004', 'model.safetensors')
    cpSync(others, path.join(step, 'model.safetensors'))
    withoutChecksums(step)
    const refused = async (checkpoint: string) => {
      const outcome = await trainingManifestOf(checkpoint)
      expect(outcome).toMatchObject({ known: false, atLeast: { samples: { size: 6 } } })
      expect(outcome).toMatchObject({ why: expect.stringContaining('nothing shows that') })
      const notes: string[] = []
      const onNote = (note: string) => notes.push(note)
      const plan = await planCertification(options(checkpoint, location('elsewhere'), { onNote }))
      expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null })
      expect(notes.join('\n')).toContain('nothing shows that')
    }
    await refused(step)
    // Where the state was exchanged along with the weights, what was found of the run is not about them.
    const file = path.join(step, 'trainer-state.json')
    const state = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(
      file,
      JSON.stringify({ ...state, digests: { ...state.digests, 'model.safetensors': digestOf(others) } }),
    )
    rmSync(location('bound'), { recursive: true })
    expect(await trainingManifestOf(step)).toMatchObject({
      known: false,
      why: expect.stringContaining('not at the path'),
    })
    // So are weights next to a state that names none, as an earlier program wrote it.
    cpSync(foreign, step, { recursive: true })
    expect((await known(step)).samples.size).toBe(6)
    writeFileSync(file, JSON.stringify({ ...state, digests: {} }))
    expect(await trainingManifestOf(step)).toMatchObject({ known: false })
  })

  test('is unknown once its list of videos is another one', async () => {
    await old('longer', 21)
    cpSync(videosIn(location('elsewhere'))[0], location('longer', 'one-more.mp4'))
    const outcome = await trainingManifestOf(location('longer-run'))
    expect(outcome).toMatchObject({ known: false, why: expect.stringContaining('have changed since') })
    const plan = await planCertification(options(location('longer-run'), location('elsewhere')))
    expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null, labelsUsed: false })
    const insisting = await planCertification(
      options(location('longer-run'), location('elsewhere'), { trust: 'external' }),
    )
    expect(() => checkCertificationPlan(insisting, 'content', ['dpa'], 'general')).toThrow(
      /needs the training manifest/,
    )
  })

  test('is unknown once a video cannot be read, or was overwritten under its name', async () => {
    const files = await dataset('taken', 22)
    const list = listOf('taken.csv', files)
    await pretrainOn(list, location('taken-run'))
    withoutManifests(location('taken-run'))
    mkdirSync(location('safe'))
    const moved = files.slice(1).map((file, i) => {
      renameSync(file, location('safe', `${i}.mp4`))
      return location('safe', `${i}.mp4`)
    })
    expect(await trainingManifestOf(location('taken-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('5 of its training files cannot be read now'),
    })
    const plan = await planCertification(options(location('taken-run'), listOf('safe.csv', moved)))
    expect(plan.encoder).toMatchObject({ trust: 'public', trainedOn: null })
    // The one that is still there is known to have taken part.
    const left = await planCertification(options(location('taken-run'), listOf('left.csv', [files[0], ...moved])))
    expect(left.encoder.trust).toBe('protected_set')

    const [first] = await old('overwritten', 23)
    cpSync(videosIn(location('elsewhere'))[0], first)
    utimesSync(first, 1e9, 1e9) // as `cp -p` leaves it
    expect(await trainingManifestOf(location('overwritten-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('has changed since'),
    })
  })

  test('with labels is compared with its split, and taken to have seen those of the protected set where it is unknown', async () => {
    const files = await dataset('split', 24)
    await finetuneOn(listOf('split.csv', files), location('split-run'), 'scratch')
    withoutManifests(location('split-run'))
    // The chosen classifier has no state next to it that would name its weights.
    expect(await trainingManifestOf(location('split-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('nothing shows that'),
      atLeast: { labeled: true, samples: { size: 6 } },
    })
    listOf('split.csv', videosIn(location('elsewhere')))
    expect(await trainingManifestOf(location('split-run'))).toMatchObject({
      known: false,
      why: expect.stringContaining('have changed since'),
    })
    const notes: string[] = []
    const onNote = (note: string) => notes.push(note)
    const plan = await planCertification(options(location('split-run'), listOf('split-safe.csv', files), { onNote }))
    expect(plan.encoder).toMatchObject({ trust: 'public', labelsUsed: true })
    expect(notes.join()).toContain('Labels were used')
    expect(() => checkCertificationPlan(plan, 'content', ['dpa'], 'label_flip')).toThrow(/labels of the protected set/)
    // Who names the data says which labels they were.
    const named = (trainedOn: string) =>
      planCertification(options(location('split-run'), location('split-safe.csv'), { trainedOn }))
    expect((await named(location('elsewhere'))).encoder).toMatchObject({ trust: 'external', labelsUsed: false })
    expect((await named(location('split'))).encoder).toMatchObject({ trust: 'protected_set', labelsUsed: true })
  })
})
