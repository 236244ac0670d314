/** Small folders of results, as training and evaluation write them: for everything that makes pages of them. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { RandomStream } from '../../src/core/random.ts'
import type { LabeledVideo } from '../../src/dataset/dataset.ts'
import { writeSplitFile } from '../../src/dataset/split-file.ts'
import { evaluationOf, writeEvaluation } from '../../src/inference/evaluate.ts'
import { reconstructionAnimation, reconstructionSheet } from '../../src/report/pictures.ts'
import { unknownUse } from '../../src/train/training-use.ts'

export interface MadePretraining {
  readonly lines?: number
  readonly loss?: (step: number) => number
  readonly meanLoss?: number
  readonly name?: string
  readonly bad?: number
}

export function makePretrainingRun(
  run: string,
  { lines = 20, loss = (step) => 1 / (1 + step / 50), meanLoss = 0.99, name = 'a.mp4', bad = 0 }: MadePretraining = {},
): void {
  mkdirSync(path.join(run, 'step-00000100'), { recursive: true })
  const write = (file: string, values: readonly object[]): void =>
    writeFileSync(path.join(run, file), values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  const configuration = {
    ...{ seed: 0, data: { path: name }, mask: { kind: 'tube', ratio: 0.75 }, batch: { size: 16 } },
    ...{ model: { frames: 8, resolution: 48, patch: 8 }, engine: { threads: null, precision: 'float32' } },
    ...{ derived: { steps: 400, videos: 48, parameters: 975_296 }, engineUsed: 'native' },
  }
  writeFileSync(path.join(run, 'config.json'), JSON.stringify(configuration))
  write(
    'metrics.jsonl',
    Array.from({ length: lines }, (_, i) => ({
      ...{
        step: 10 * (i + 1),
        epoch: i,
        clips: 160 * (i + 1),
        loss: loss(10 * (i + 1)),
        meanLoss,
        learningRate: 1e-3,
        weightDecay: 0.05,
      },
      ...{
        gradientNorm: 1,
        clipsPerSecond: i === 0 ? null : 100,
        dataWait: 0.25,
        memory: 2e8,
        engineMemory: 6e7,
        seconds: i + 1,
      },
    })),
  )
  write(
    'bad-files.jsonl',
    Array.from({ length: bad }, (_, i) => ({
      id: `${name}${i}`,
      path: name,
      code: 'VIDEO_UNREADABLE',
      reason: `${name} cannot be opened`,
      epoch: 0,
      position: i,
    })),
  )
  writeFileSync(
    path.join(run, 'step-00000100', 'trainer-state.json'),
    JSON.stringify({ step: 100, engine: 'native', engineVariant: 'avx2' }),
  )
}

/** A sheet and an animation of a reconstruction. @param location without extension */
export async function makeReconstruction(location: string): Promise<void> {
  const clip = Uint8Array.from({ length: 4 * 16 * 16 * 3 }, (_, i) => (i * 7) % 256)
  const parts = { original: clip, masked: clip, prediction: clip, predictionWithTrueStatistics: clip }
  const size = { frames: 4, height: 16, width: 16 }
  writeFileSync(`${location}.png`, await reconstructionSheet(parts, size))
  writeFileSync(`${location}.webp`, await reconstructionAnimation(parts, size))
}

export interface MadeClassifier {
  readonly labels?: readonly string[]
  readonly videos?: number
  /** Id of video i; default: files that are not there. */
  readonly pathOf?: (i: number) => string
  /** Probability of a wrong class of video i; default: drawn. */
  readonly mistakeOf?: (i: number) => number | null
}

function videosOf({
  labels = ['left', 'right', 'up'],
  videos = 30,
  pathOf = (i) => `/gone/${i}.mp4`,
}: MadeClassifier): LabeledVideo[] {
  return Array.from({ length: videos }, (_, i) => {
    const location = pathOf(i)
    const digest = existsSync(location) ? createHash('sha256').update(readFileSync(location)).digest('hex') : null
    const known = { label: labels[i % labels.length], class: i % labels.length, digest, group: `g${i % 10}` }
    return { id: location, path: location, ...known }
  })
}

/** Results with some confident mistakes. */
export async function makeEvaluation(out: string, made: MadeClassifier = {}): Promise<void> {
  const { labels = ['left', 'right', 'up'] } = made
  const random = new RandomStream(1, 'scores')
  const results = videosOf(made).map((video, i) => {
    const row = Float64Array.from(labels, () => random.uniform() ** 4)
    row[video.class] += 0.3
    const wrong = made.mistakeOf?.(i) ?? null
    if (wrong !== null) row.fill((1 - wrong) / (labels.length - 1))[video.class === 0 ? 2 : 0] = wrong
    const sum = row.reduce((a, b) => a + b, 0)
    return { video, probabilities: row.map((value) => value / sum) }
  })
  const failure = { id: `/gone/${labels[0]}`, code: 'VIDEO_UNREADABLE', reason: `cannot be read: ${labels[0]}` }
  const failed = { video: results[0].video, failure }
  await writeEvaluation(
    out,
    evaluationOf([...results, failed], { labels, clips: 2, crops: 1, use: unknownUse('it is a test') }),
  )
}

export async function makeClassifierRun(
  run: string,
  made: MadeClassifier = {},
  values: object = { mode: 'full' },
): Promise<void> {
  mkdirSync(run, { recursive: true })
  const configuration = {
    ...values,
    model: { from: made.labels?.[0] ?? 'scratch' },
    derived: { steps: 40, videos: { train: 3 } },
  }
  writeFileSync(path.join(run, 'config.json'), JSON.stringify(configuration))
  const line = (step: number) => ({
    ...{
      step,
      epoch: step,
      clips: 8 * step,
      loss: 2 / (1 + step),
      learningRate: 1e-3,
      weightDecay: 0.05,
      gradientNorm: 1,
    },
    ...{ clipsPerSecond: 10 + step, dataWait: 0.1, memory: 1e8, engineMemory: 1e7, seconds: step },
  })
  const lines = (values: readonly object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')
  writeFileSync(path.join(run, 'metrics.jsonl'), lines([line(10), line(20), line(30)]))
  const validated = [10, 20].map((step) => ({ step, accuracy: step / 40, loss: 1, videos: 12, failures: 0 }))
  writeFileSync(path.join(run, 'validation.jsonl'), lines(validated))
  const videos = videosOf(made)
  await writeSplitFile(path.join(run, 'split.csv'), {
    train: videos,
    validation: videos.slice(0, 12),
    test: videos,
  } as Parameters<typeof writeSplitFile>[1])
}
