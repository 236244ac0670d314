/** Files by which folders of earlier commands are known, and those that training leaves next to weights. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { writeEnsemble } from '../../../src/certify/videos/ensemble/ensemble-file.ts'
import { locateEnsemble } from '../../../src/certify/videos/ensemble/locate.ts'
import { reconstructed } from '../../../src/certify/videos/reconstructed-manifest.ts'
import { writeGroupLists } from '../../../src/certify.ts'
import { requireOnnxTarget } from '../../../src/format/onnx-target.ts'
import { writeSafetensors } from '../../../src/format/safetensors.ts'
import { loadRunConfiguration, runConfiguration } from '../../../src/index.ts'
import { requireFeatureFolder } from '../../../src/inference/feature-files.ts'
import { isReconstructionPicture, reconstructionAnimation, reconstructionSheet } from '../../../src/report/pictures.ts'
import { entriesDigest, listSources } from '../../../src/train/pretrain-data.ts'
import { sampleEnsemble } from './ensemble-format.ts'
import { type Format, folderOf, mutateDocument, noticed, single } from './format.ts'
import { mutateBytes } from './mutations.ts'

const json = (location: string, value: unknown): void => writeFileSync(location, JSON.stringify(value))

const ensembleName = 'ensemble-k6-d1.safetensors'

async function writeLocated(location: string): Promise<void> {
  const digest = await writeEnsemble(path.join(path.dirname(location), ensembleName), sampleEnsemble())
  const ensemble = { file: ensembleName, digest }
  json(location, {
    learner: { kind: 'head' },
    runs: [
      { rule: 'dpa', ensemble },
      { rule: 'roe', ensemble },
    ],
  })
}

/** A run of two videos with the state of its checkpoint, as before training wrote down what it was trained on. */
const run = 'run'
const checkpoint = path.join(run, 'step-00000003')
const contents = ['one', 'two']
const digests = contents.map((content) => createHash('sha256').update(content).digest('hex')).sort()

async function writeRun(folder: string): Promise<void> {
  mkdirSync(path.join(folder, checkpoint), { recursive: true })
  const videos = path.join(folder, 'videos')
  mkdirSync(videos)
  for (const content of contents) writeFileSync(path.join(videos, `${content}.mp4`), content)
  const weights = path.join(folder, checkpoint, 'model.safetensors')
  await writeSafetensors(weights, new Map([['a', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]))
  const configuration = { data: { path: videos }, model: { from: null } }
  json(path.join(folder, run, 'config.json'), configuration)
  json(path.join(folder, checkpoint, 'trainer-state.json'), {
    configuration,
    data: { digest: entriesDigest(listSources([videos])) },
    digests: { 'model.safetensors': createHash('sha256').update(readFileSync(weights)).digest('hex') },
  })
  json(path.join(folder, checkpoint, 'config.json'), { id2label: { 0: 'LABEL_0' } })
}

/** What is found is kept next to the run; here the next case has to find it anew. */
async function readRun(folder: string): Promise<void> {
  rmSync(path.join(folder, run, 'training-manifest.json'), { force: true })
  const found = await reconstructed(path.join(folder, checkpoint), 'the run', undefined)
  if (found.why !== null) throw noticed(found.why)
  if (found.samples.join() !== digests.join()) throw new Error(`trained on ${found.samples.join()}, all of it`)
}

const size = { frames: 2, height: 8, width: 8 }
const clip = new Uint8Array(2 * 8 * 8 * 3).fill(99)
const parts = { original: clip, masked: clip, prediction: clip, predictionWithTrueStatistics: null }

/** Fields of a model, with nothing in them: what is in them is not read here. */
const writeOnnx = (location: string): void =>
  writeFileSync(location, Buffer.from([8, 9, 18, 2, 97, 98, 58, 3, 1, 2, 3]))

/** Pictures are decoded by another library, whose faults would end the process. */
const picture = (name: string, make: () => Promise<Uint8Array>): Format =>
  single(
    `${name} of a reconstruction`,
    name,
    async (location) => writeFileSync(location, await make()),
    mutateBytes,
    async (location) => {
      if (!(await isReconstructionPicture(readFileSync(location)))) throw noticed('it is of other origin')
    },
  )

export const folderFormats: readonly Format[] = [
  single('certificate that names an ensemble', 'located/certificate.json', writeLocated, mutateDocument, (location) =>
    locateEnsemble(path.dirname(location)),
  ),
  single(
    'record of lists of groups',
    'groups/group-lists.json',
    async (location) => {
      await writeLists(location)
    },
    mutateDocument,
    writeLists,
  ),
  folderOf(
    'run without a training manifest',
    {
      [path.join(run, 'config.json')]: mutateDocument,
      [path.join(checkpoint, 'trainer-state.json')]: mutateDocument,
      [path.join(checkpoint, 'config.json')]: mutateDocument,
    },
    writeRun,
    readRun,
  ),
  single(
    'configuration of a run',
    'configured/config.json',
    (location) => json(location, { ...runConfiguration({}), engineUsed: 'onnx', derived: { steps: 3 } }),
    mutateDocument,
    (file) => loadRunConfiguration({ file }),
  ),
  single(
    'index of features',
    'features/index.json',
    (location) => json(location, { encoder: { digest: 'a' }, shape: [1, 2], rows: [{ id: 'a' }] }),
    mutateDocument,
    (location) => requireFeatureFolder(path.dirname(location)),
  ),
  single('ONNX file to replace', 'replaced.onnx', writeOnnx, mutateBytes, requireOnnxTarget),
  picture('sheet.png', () => reconstructionSheet(parts, size)),
  picture('animation.webp', () => reconstructionAnimation(parts, size)),
]

function writeLists(location: string): Promise<unknown> {
  const videos = ['a', 'b'].map((name, i) => ({
    ...{ id: name, path: `/gone/${name}.mp4`, label: name, class: i, digest: name.repeat(64) },
  }))
  return writeGroupLists(path.dirname(location), videos, Int32Array.of(0, 1), 2)
}
