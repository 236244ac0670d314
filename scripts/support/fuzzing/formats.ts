/** Every format that this program reads: a whole sample of it, a change of it, and what reads it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { importBallots } from '../../../src/certify.ts'
import { sumsFile } from '../../../src/format/folder-sums.ts'
import { readNpy, writeNpy } from '../../../src/format/npy.ts'
import { decodeModel } from '../../../src/format/onnx.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../../../src/format/safetensors.ts'
import { exportClassifier, loadFinetuneConfiguration, loadRunConfiguration, VideoMaeError } from '../../../src/index.ts'
import { type Classifier, classifierShapes, openClassifier, saveClassifier } from '../../../src/inference/classifier.ts'
import { FeatureStore } from '../../../src/inference/feature-store.ts'
import { openOnnxClassifier } from '../../../src/inference/onnx-classifier.ts'
import { initialize, type RandomStream, resolveConfiguration } from '../../../src/model.ts'
import { findCheckpoint, saveCheckpoint } from '../../../src/train/checkpoint.ts'
import { emptyMetrics } from '../../../src/train/metrics.ts'
import { RunDirectory } from '../../../src/train/run-directory.ts'
import { readTrainingManifest } from '../../../src/train/training-manifest.ts'
import { listVideos, readVideos } from '../../../src/video.ts'
import { certificateFormats } from './certificate-format.ts'
import { datasetFormats } from './dataset-formats.ts'
import { ensembleFormats } from './ensemble-format.ts'
import { folderFormats } from './folder-formats.ts'
import { type Format, mutateDocument, mutateSafetensors, mutateTextBytes, single } from './format.ts'
import { hubFormats } from './hub-format.ts'
import { type Json, mutateBytes, mutateJson, pick } from './mutations.ts'
import { pageFormats } from './page-format.ts'
import { prepareFormats } from './prepare-format.ts'
import { mutateFields, parse, type Schema, serialize } from './protobuf.ts'
import { runFormats } from './run-formats.ts'

async function readAllTensors(location: string): Promise<void> {
  const file = await readSafetensors(location)
  try {
    for (const name of file.names) await file.read(name)
  } finally {
    await file.close()
  }
}

const valueInfo: Schema = { 2: { 1: { 2: { 1: {} } } } }
const tensor: Schema = { 13: {} }
const onnx: Schema = { 7: { 1: { 5: { 5: tensor } }, 5: tensor, 11: valueInfo, 12: valueInfo }, 8: {}, 14: {} }

const mutateOnnx = (random: RandomStream, whole: Uint8Array): Uint8Array =>
  random.integer(4) === 0 ? mutateBytes(random, whole) : serialize(mutateFields(random, parse(whole, onnx)))

const tiny = resolveConfiguration({
  ...{ imageSize: 8, frames: 4, patch: 4, tubelet: 2 },
  encoder: { width: 8, depth: 1, heads: 2 },
  decoder: { width: 8, depth: 1, heads: 2 },
})
const labels = ['left', 'right']

async function writeClassifier(directory: string, head: Classifier['head'] = { kind: 'linear' }): Promise<void> {
  const state = initialize(classifierShapes({ configuration: tiny, head, labels }), 1, 'pretrain')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(directory, { configuration: tiny, head, state, labels, sampling })
}

/** A checkpoint of which one file changes. */
const checkpoint = (file: string): Format =>
  single(
    `checkpoint ${file}`,
    `model/${file}`,
    (location) => writeClassifier(path.dirname(location)),
    file.endsWith('.safetensors') ? mutateSafetensors : mutateDocument,
    (location) => openClassifier(path.dirname(location)),
  )

/** A classifier with an attentive head, of which one file changes. */
const attentive = (file: string): Format =>
  single(
    `attentive ${file}`,
    `attentive/${file}`,
    (location) => writeClassifier(path.dirname(location), { kind: 'attentive', heads: 2, mlpWidth: 8 }),
    file.endsWith('.safetensors') ? mutateSafetensors : mutateDocument,
    (location) => openClassifier(path.dirname(location)),
  )

/** Weights in several files, of which the index changes. */
async function writeShards(location: string): Promise<void> {
  const directory = path.dirname(location)
  await writeClassifier(directory)
  const file = await readSafetensors(path.join(directory, 'model.safetensors'))
  const names = [...file.names]
  const parts = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
  const weightMap: Record<string, string> = {}
  for (const [i, part] of parts.entries()) {
    const tensors = new Map<string, SafetensorsTensor>()
    for (const name of names.filter((_, n) => n % 2 === i)) {
      weightMap[name] = part
      tensors.set(name, { dtype: 'F32', shape: file.info(name).shape, data: await file.readFloat32(name) })
    }
    await writeSafetensors(path.join(directory, part), tensors)
  }
  await file.close()
  rmSync(path.join(directory, 'model.safetensors'))
  rmSync(path.join(directory, sumsFile)) // It belongs to weights in one file.
  writeFileSync(location, JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }))
}

async function writeExport(location: string): Promise<void> {
  const directory = `${location}.model`
  await writeClassifier(directory)
  const clips = new Uint8Array(4 * 8 * 8 * 3)
  await exportClassifier(directory, { out: location, clips })
  rmSync(directory, { recursive: true })
}

async function writeTrainerState(location: string): Promise<void> {
  const run = new RunDirectory(path.dirname(path.dirname(location)))
  await saveCheckpoint(
    run,
    {
      writeModel: async (directory) => writeFileSync(path.join(directory, 'config.json'), '{}'),
      optimizer: new Map([['m', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]),
      state: {
        ...{ step: 3, seed: 0, engine: 'onnx', configuration: { mask: { ratio: 0.9 } }, badFiles: [] },
        data: { entries: 1, digest: 'abc' },
        metrics: emptyMetrics,
      },
    },
    2,
  )
}

const view = { clip: 0, crop: 0, startSeconds: 0, firstFrame: 0, lastFrame: 15 }
/** Index and data of a feature store; either may change. */
function featureStore(): Format {
  let [indexFile, dataFile] = ['', '']
  let [index, data] = [new Uint8Array(), new Uint8Array()]
  const changedLines = (random: RandomStream): Uint8Array => {
    const lines = Buffer.from(index).toString().trimEnd().split('\n')
    const changed = lines.map((line) => JSON.stringify(mutateJson(random, JSON.parse(line) as Json)))
    return Buffer.from(`${changed.join('\n')}\n`)
  }
  return {
    name: 'feature store',
    async prepare(folder) {
      const store = await FeatureStore.open(folder, 'key', {}, 3)
      for (const digest of ['one', 'two']) await store.append({ digest, views: [view] }, Float32Array.of(1, 2, 3))
      const [name] = readdirSync(store.folder).filter((file) => file.endsWith('.jsonl'))
      indexFile = path.join(store.folder, name)
      dataFile = indexFile.replace(/jsonl$/, 'f32')
      index = new Uint8Array(readFileSync(indexFile))
      data = new Uint8Array(readFileSync(dataFile))
    },
    change(_folder, random) {
      const what = pick(random, ['data', 'text', 'lines', 'lines'] as const)
      writeFileSync(dataFile, what === 'data' ? mutateBytes(random, data) : data)
      writeFileSync(
        indexFile,
        what === 'text' ? mutateTextBytes(random, index) : what === 'lines' ? changedLines(random) : index,
      )
    },
    async read(folder) {
      const store = await FeatureStore.open(folder, 'key', {}, 3)
      for (const digest of ['one', 'two']) {
        if (!store.has(digest)) continue
        const rows = await store.read(digest)
        if (rows.join() !== '1,2,3') throw new Error(`features of ${digest} changed to ${rows.join()} without a word`)
      }
    },
  }
}

const list = 'path,label,split,group\na.mp4,left,train,s1\n"b c.mp4",right,test,s2\n#d.mp4,left,train,s1\n'
function writeList(location: string): void {
  for (const name of ['a.mp4', 'b c.mp4', '#d.mp4']) writeFileSync(path.join(path.dirname(location), name), 'a video')
  writeFileSync(location, list)
}
function writeListOfR(location: string): void {
  writeList(location)
  writeFileSync(location, '"path" "label"\n"1" "a.mp4" "so \\"left\\""\n"2" "b c.mp4" "right"\n')
}
function writeKinetics(location: string): void {
  writeFileSync(path.join(path.dirname(location), 'a_000001_000011.mp4'), 'a video')
  writeFileSync(location, 'label,youtube_id,time_start,time_end,split\nrun,a,1,11,train\nwalk,b,2,12,val\n')
}
const scores = 'id,label,l0_0,l0_1,l1_0,l1_1\nx,0,0.1,0.9,0.5,0.5\ny,1,1,0,0.25,0.75\n'
const votes = 'id,label,l0,l1,l2\nx,0,0,0,1\ny,1,1,1,1\nz,2,2,1,-1\n'
const recipe = `# A run.
model: {width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32}
mask: {kind: tube, ratio: 0.9}
schedule:
  duration: 10 steps
  warmup: 1 step
batch: {size: 8}
`
const tuning = 'mode: ridge\nclip: {stride: 1}\nmodel: {from: scratch, width: 16, depth: 1, heads: 2}\n'
const manifest = {
  ...{ schema: 'videomae.training-manifest/2', list: null, labeled: false, changed: 0, start: null },
  samples: ['0'.repeat(64), 'f'.repeat(64)],
}
const write = (text: string) => (location: string) => writeFileSync(location, text)

/** Votes as numbers of a NumPy file; the header changes as text, the rest as bytes. */
function mutateNpy(random: RandomStream, whole: Uint8Array): Uint8Array {
  if (random.integer(2) === 0) return mutateBytes(random, whole)
  const header = Buffer.from(whole.subarray(10, 128)).toString('latin1')
  const shape = pick(random, ['(3, 4)', '(-1,)', '(4294967296, 4294967296)', '(12,)', '()', '(0, 0)', '(3, 4, 1, 1)'])
  const descr = pick(random, ['<f4', '>f4', '|O', '<i8', '|b1', '<f2', '|u1', '<u2', '>i2', '<c8'])
  const text = header.replace(/\([^)]*\)/, shape).replace(/'descr': '[^']*'/, `'descr': '${descr}'`)
  return Buffer.concat([whole.subarray(0, 10), Buffer.from(text, 'latin1'), whole.subarray(128)])
}

export const formats: readonly Format[] = [
  single(
    'safetensors',
    'weights.safetensors',
    (location) =>
      writeSafetensors(location, new Map([['a', { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) }]])),
    mutateSafetensors,
    readAllTensors,
  ),
  checkpoint('config.json'),
  checkpoint('preprocessor_config.json'),
  checkpoint('model.safetensors'),
  checkpoint('clip.json'),
  attentive('classifier.json'),
  attentive('head.safetensors'),
  single('index of shards', 'shards/model.safetensors.index.json', writeShards, mutateDocument, (location) =>
    openClassifier(path.dirname(location)),
  ),
  single(
    'PyTorch file',
    'weights.pth',
    write('PK\u0003\u0004 archive/data.pkl'),
    (random, whole) => (random.integer(2) === 0 ? mutateBytes(random, whole, 8) : mutateTextBytes(random, whole)),
    async (location) => {
      const error = await openClassifier(location).catch((thrown: unknown) => thrown)
      // That it is one of PyTorch is what the whole sample is taken for.
      if (!(error instanceof VideoMaeError && error.code === 'PYTORCH_FILE')) throw error
    },
  ),
  single('ONNX', 'model.onnx', writeExport, mutateOnnx, (location) => decodeModel(readFileSync(location))),
  single('ONNX classifier', 'classifier.onnx', writeExport, mutateOnnx, async (location) =>
    (await openOnnxClassifier(location)).close(),
  ),
  single(
    'npy',
    'array.npy',
    (location) => writeNpy(location, [3, 4], new Float32Array(12)),
    mutateNpy,
    (location) => readNpy(location),
  ),
  single(
    'npy votes',
    'votes.npy',
    (location) => writeNpy(location, [3, 4], new Float32Array(12)),
    mutateNpy,
    (location) => importBallots(location, { kind: 'votes', classes: 3 }),
  ),
  single('CSV votes', 'votes.csv', write(votes), mutateTextBytes, (location) =>
    importBallots(location, { kind: 'votes', classes: 3 }),
  ),
  single('CSV scores', 'scores.csv', write(scores), mutateTextBytes, (location) =>
    importBallots(location, { kind: 'scores', classes: 2 }),
  ),
  single(
    'npy scores',
    'scores.npy',
    (location) => writeNpy(location, [3, 2, 2], new Float32Array(12)),
    mutateNpy,
    (location) => importBallots(location, { kind: 'scores', classes: 2 }),
  ),
  single('list of videos', 'list/list.csv', writeList, mutateTextBytes, (location) => listVideos(location)),
  single('list of a certificate', 'fixed/list.csv', writeList, mutateTextBytes, (location) =>
    readVideos(location, { fixedForm: true }),
  ),
  single('list of R', 'r/list.txt', writeListOfR, mutateTextBytes, (location) => listVideos(location)),
  single('annotations of Kinetics', 'kinetics/train.csv', writeKinetics, mutateTextBytes, (location) =>
    listVideos(location),
  ),
  single('recipe', 'recipe.yaml', write(recipe), mutateTextBytes, (file) => loadRunConfiguration({ file })),
  single('fine-tuning recipe', 'tuning.yaml', write(tuning), mutateTextBytes, (file) =>
    loadFinetuneConfiguration({ file }),
  ),
  single('trainer state', 'run/step-00000003/trainer-state.json', writeTrainerState, mutateDocument, (location) =>
    findCheckpoint(new RunDirectory(path.dirname(path.dirname(location)))),
  ),
  single(
    'training manifest',
    'manifest/training-manifest.json',
    write(JSON.stringify(manifest)),
    mutateDocument,
    (location) => readTrainingManifest(path.dirname(location)),
  ),
  featureStore(),
  ...ensembleFormats,
  ...certificateFormats,
  ...runFormats,
  ...prepareFormats,
  ...pageFormats,
  ...folderFormats,
  ...datasetFormats,
  ...hubFormats,
]
