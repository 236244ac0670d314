/** Results that pages are made of, and certificates that are compared, as strangers may send them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { diffCertificates } from '../../../src/certify.ts'
import { writeSplitFile } from '../../../src/dataset/split-file.ts'
import { VideoMaeError, writeReport } from '../../../src/index.ts'
import { evaluationOf } from '../../../src/inference/evaluate.ts'
import { writeEvaluation } from '../../../src/jobs.ts'
import { liveSections } from '../../../src/report/live/live-run.ts'
import { reconstructionAnimation } from '../../../src/report/pictures.ts'
import { unknownUse } from '../../../src/train/training-use.ts'
import { writeImported, writeSample } from './certificate-format.ts'
import { type Format, folderOf, mutateDocument, mutateLines, mutateTextBytes, noticed } from './format.ts'
import { mutateBytes } from './mutations.ts'

/** The page must load nothing, whatever the file says. */
async function page(location: string): Promise<string> {
  const { file } = await writeReport(location, {
    out: path.join(path.dirname(location), 'page.html'),
    pictures: undefined,
  })
  const text = readFileSync(file, 'utf8')
  if (/<(script|iframe|object|embed|link|form)\b/i.test(text))
    throw new Error(`${location} brought markup into its page`)
  // Places in drawings are numbers.
  const broken = /\s(?:x|y|x1|x2|y1|y2|cx|cy|r|width|height|d|points)="[^"]*(?:NaN|Infinity|undefined)[^"]*"/.exec(text)
  if (broken !== null) throw new Error(`a drawing has ${broken[0].slice(0, 80)}`)
  return text
}

const labels = ['left', 'right', 'up']
const videos = Array.from({ length: 9 }, (_, i) => ({
  ...{ id: `/gone/${i}.mp4`, path: `/gone/${i}.mp4`, label: labels[i % 3], class: i % 3, digest: null, group: `g${i}` },
}))

async function makeEvaluation(folder: string): Promise<void> {
  const results = videos.map((video, i) => {
    const probabilities = new Float64Array(3).fill(0.2)
    probabilities[i === 4 ? 0 : video.class] = 0.6
    return { video, probabilities }
  })
  const failure = { id: 'x', code: 'VIDEO_UNREADABLE', reason: 'cut short' }
  const all = [...results, { video: videos[0], failure }]
  await writeEvaluation(folder, evaluationOf(all, { labels, clips: 1, crops: 1, use: unknownUse('a test') }))
}

async function makeRun(folder: string, configuration: object): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, values: readonly object[]) =>
    writeFileSync(path.join(folder, name), values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  write('config.json', [{ ...configuration, seed: 1, derived: { steps: 30, videos: 9, parameters: 100 } }])
  const common = { clipsPerSecond: 3, dataWait: 0.1, memory: 1e8, engineMemory: 1e7 }
  write(
    'metrics.jsonl',
    [10, 20].map((step) => ({
      ...{ step, epoch: 1, clips: step, loss: 1 / step, meanLoss: 1, learningRate: 1e-3, seconds: step, ...common },
    })),
  )
  write('bad-files.jsonl', [{ id: 'x', path: '/gone/x', code: 'VIDEO_UNREADABLE', reason: 'cut short' }])
  const signs = { arrowOfTime: 0.5, flowDirection: 0.6, effectiveRank: 20, videos: 100 }
  write('signs.jsonl', [
    { step: 0, ...signs },
    { step: 20, ...signs, flowDirection: 0.7 },
  ])
  write('validation.jsonl', [{ step: 10, accuracy: 0.5, loss: 1, videos: 3 }])
  await writeSplitFile(path.join(folder, 'split.csv'), { train: videos, validation: [], test: videos })
}

/** A run next to which a reconstruction is. */
async function makePictures(folder: string): Promise<void> {
  await makeRun(folder, { engineUsed: 'onnx', mask: { kind: 'tube', ratio: 0.9 } })
  const clip = new Uint8Array(2 * 8 * 8 * 3).fill(99)
  const clips = { original: clip, masked: clip, prediction: clip, predictionWithTrueStatistics: null }
  const size = { frames: 2, height: 8, width: 8 }
  writeFileSync(path.join(folder, 'a.webp'), await reconstructionAnimation(clips, size))
  writeFileSync(path.join(folder, 'a.png'), '')
}

const [certificate, other] = ['certificate', 'other'].map((name) => path.join(name, 'certificate.json'))
const imported = path.join('imported', 'imported-certificate-roe_fa.json')

export const pageFormats: readonly Format[] = [
  folderOf(
    'page of a certificate',
    { [certificate]: mutateDocument },
    (folder) => writeSample(path.join(folder, certificate)),
    (folder) => page(path.join(folder, 'certificate')),
  ),
  folderOf(
    'page of an evaluation',
    {
      'evaluation/evaluation.json': mutateDocument,
      'evaluation/predictions.jsonl': mutateLines,
      'evaluation/confusion.json': mutateDocument,
    },
    (folder) => makeEvaluation(path.join(folder, 'evaluation')),
    (folder) => page(path.join(folder, 'evaluation')),
  ),
  folderOf(
    'page of a classifier',
    {
      'run/config.json': mutateDocument,
      'run/metrics.jsonl': mutateLines,
      'run/validation.jsonl': mutateLines,
      'run/split.csv': mutateTextBytes,
    },
    (folder) => makeRun(path.join(folder, 'run'), { mode: 'full', engineUsed: 'onnx' }),
    (folder) => page(path.join(folder, 'run')),
  ),
  folderOf(
    'page of a pretraining run',
    {
      'run/config.json': mutateDocument,
      'run/metrics.jsonl': mutateLines,
      'run/bad-files.jsonl': mutateLines,
      'run/signs.jsonl': mutateLines,
    },
    (folder) => makeRun(path.join(folder, 'run'), { engineUsed: 'onnx', mask: { kind: 'tube', ratio: 0.9 } }),
    (folder) => page(path.join(folder, 'run')),
  ),
  folderOf(
    'page with a picture',
    { 'run/a.webp': mutateBytes },
    (folder) => makePictures(path.join(folder, 'run')),
    async (folder) => {
      const text = await page(path.join(folder, 'run'))
      if (!text.includes('data:image/webp')) throw noticed('the picture is left out')
    },
  ),
  folderOf(
    'live page of runs',
    {
      'run/config.json': mutateDocument,
      'run/metrics.jsonl': mutateLines,
      'run/validation.jsonl': mutateLines,
      'run/bad-files.jsonl': mutateLines,
      'run/signs.jsonl': mutateLines,
    },
    async (folder) => {
      for (const name of ['run', 'second']) await makeRun(path.join(folder, name), { mode: 'full', engineUsed: 'onnx' })
    },
    async (folder) => {
      const [first, second] = ['run', 'second'].map((name) => ({ name, folder: path.join(folder, name) }))
      await liveSections([first])
      await liveSections([first, second])
    },
  ),
  folderOf(
    'page of an imported certificate',
    { [imported]: mutateDocument },
    (folder) => {
      mkdirSync(path.join(folder, 'imported'))
      return writeImported(path.join(folder, imported))
    },
    (folder) => page(path.join(folder, 'imported')),
  ),
  folderOf(
    'certificates that are compared',
    {
      [certificate]: mutateDocument,
      'certificate/protected-set.json': mutateDocument,
      'certificate/certified-inputs.json': mutateDocument,
      'certificate/buckets-4.json': mutateDocument,
      'certificate/learners-k4-d1.txt': mutateTextBytes,
    },
    async (folder) => {
      for (const file of [certificate, other]) await writeSample(path.join(folder, file), ['dpa', 'roe'], null)
    },
    async (folder) => {
      const files = [certificate, other].map((file) => path.join(folder, file))
      for (const [before, after] of [files, files.toReversed()])
        await diffCertificates(before, after).catch((error: unknown) => {
          if (!(error instanceof VideoMaeError && error.code === 'CERTIFICATES_NOT_COMPARABLE')) throw error
          // The exit code says that nothing was checked. For a changed file that is as good as a refusal.
          throw new VideoMaeError(error.message, { code: error.code, exit: 'data' })
        })
    },
  ),
]
