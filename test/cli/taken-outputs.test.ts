/** Files of other origin that have the names of results are refused, before anything is read, and stay. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportClassifierDirectory } from '../../src/export/classifier.ts'
import { readSafetensors } from '../../src/format/safetensors.ts'
import { type Classifier, classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { runHere } from '../support/run-here.ts'

const before = process.cwd()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-taken-'))
  process.chdir(folder)
  writeFileSync('votes.csv', 'id,l0,l1\na,0,1\n')
})
afterAll(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

const commands = {
  evaluate: 'evaluate missing.csv --from missing',
  features: 'features missing.csv --from missing',
  certify: 'certify missing.csv --from pixels',
  audit: 'audit missing.csv --from pixels',
  'lethal-dose': 'lethal-dose missing.csv --from pixels',
  votes: 'certify --votes votes.csv --classes 2 --rule dpa',
} as const

const names = {
  evaluate: ['evaluation.json', 'predictions.jsonl', 'confusion.json', 'confusion.svg', 'confusion.png'],
  features: ['index.json', 'features.npy', 'features.safetensors'],
  certify: [
    'certificate.json',
    'certified-accuracy.svg',
    'table.md',
    'buckets-50.json',
    'buckets-50-0123456789ab.json',
    'ballots-k50-d1.npy',
    'learners-k50-d1.txt',
    'ensemble-k50-d1.safetensors',
    'protected-set.json',
    'certified-inputs.json',
  ],
  audit: ['audit.json'],
  'lethal-dose': ['lethal-dose.json', 'lethal-dose.svg', 'lethal-dose.md'],
  votes: ['imported-certificate-dpa.json'],
} as const

/** How the file begins by which a command knows its own results. */
const own: Readonly<Record<keyof typeof names, string>> = {
  evaluate: '{\n  "views": {}}',
  features: '{"encoder":"e","shape":[1],"rows":[]}',
  certify: '{"schema":"videomae.certificate/1"}',
  audit: '{"schema":"videomae.audit/1"}',
  'lethal-dose': '{"schema":"videomae.lethal-dose/1"}',
  votes: '{"schema":"videomae.imported-certificate/1"}',
}

const kinds = Object.keys(commands) as (keyof typeof commands)[]

describe.each(kinds)('%s', (kind) => {
  test.each(names[kind])('keeps %s of others', async (name) => {
    const out = path.join(folder, `${kind} ${name}`)
    mkdirSync(out)
    for (const text of ['{"name": "mine"}', 'mine']) {
      writeFileSync(path.join(out, name), text)
      const outcome = await runHere(`${commands[kind]} --out`, out)
      expect(outcome).toMatchObject({ code: 2, document: { error: { code: 'OUTPUT_TAKEN' } } })
      expect(outcome.document.error?.message).toContain(name)
      expect(readdirSync(out)).toEqual([name])
      expect(readFileSync(path.join(out, name), 'utf8')).toBe(text)
    }
  })

  test('replaces results of its own', async () => {
    const out = path.join(folder, `own ${kind}`)
    mkdirSync(out)
    for (const name of names[kind]) writeFileSync(path.join(out, name), 'earlier')
    writeFileSync(path.join(out, names[kind][0]), own[kind])
    const { code, document } = await runHere(`${commands[kind]} --out`, out)
    // Goes on, to data that is not there.
    if (kind === 'votes') expect([code, document.error]).toEqual([0, undefined])
    else expect(document.error?.code).not.toBe('OUTPUT_TAKEN')
  })
})

test('a folder called learners is no sign of an earlier certification by its name alone', async () => {
  const out = path.join(folder, 'foreign learners')
  mkdirSync(path.join(out, 'learners', 'k50-d1'), { recursive: true })
  writeFileSync(path.join(out, 'table.md'), 'mine')
  const certify = () => runHere(`${commands.certify} --out`, out)
  expect(await certify()).toMatchObject({ code: 2, document: { error: { code: 'OUTPUT_TAKEN' } } })
  expect(readFileSync(path.join(out, 'table.md'), 'utf8')).toBe('mine')
  writeFileSync(path.join(out, 'learners', 'k50-d1', 'plan.json'), '{"schema":"videomae.learners/1","plan":""}')
  expect((await certify()).document.error?.code).not.toBe('OUTPUT_TAKEN')
})

describe('the Hugging Face folder of a classifier', () => {
  const size = { width: 8, depth: 1, heads: 2 }
  const configuration = resolveConfiguration({ imageSize: 8, frames: 4, patch: 4, encoder: size, decoder: size })
  const labels = ['left', 'right']
  const head: Classifier['head'] = { kind: 'linear' }
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  const save = async (name: string, seed: number): Promise<string> => {
    const state = initialize(classifierShapes({ configuration, head, labels }), seed, 'pretrain')
    await saveClassifier(path.join(folder, name), { configuration, head, state, labels, sampling })
    return path.join(folder, name)
  }
  const weightsOf = (location: string): Buffer => readFileSync(path.join(location, 'model.safetensors'))

  test('takes the place of an earlier export only', async () => {
    const [first, second] = [await save('first', 1), await save('second', 2)]
    const out = path.join(folder, 'exported')
    await exportClassifierDirectory(first, out)
    await exportClassifierDirectory(second, out)
    const [written, expected] = [await readSafetensors(out), await readSafetensors(second)]
    for (const name of expected.names) expect(await written.read(name)).toEqual(await expected.read(name))
    for (const file of [written, expected]) await file.close()
    // A checkpoint has files of the same names.
    const bytes = weightsOf(second)
    await expect(exportClassifierDirectory(first, second)).rejects.toMatchObject({
      code: 'EXPORT_FOLDER',
      exit: 'usage',
    })
    expect(weightsOf(second)).toEqual(bytes)
  })

  test('is not the folder that is read', async () => {
    const read = await save('read', 3)
    const bytes = weightsOf(read)
    for (const out of [read, path.join(read, '..', 'read')])
      await expect(exportClassifierDirectory(read, out)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
    const exported = path.join(folder, 'exported again')
    await exportClassifierDirectory(read, exported)
    await expect(exportClassifierDirectory(exported, exported)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
    expect(weightsOf(read)).toEqual(bytes)
  })
})
