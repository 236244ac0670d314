// What the experiments share: data, runs and cells that are computed once, and tables.

import { existsSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import {
  type FinetuneInput,
  finetune,
  finetuneConfiguration,
  pretrain,
  type RunInput,
  VideoMaeError,
} from '../../../src/index.ts'
import { generateMotionDataset } from '../../../src/synthetic/generate.ts'
import { findCheckpoint } from '../../../src/train/checkpoint.ts'
import { runSchema } from '../../../src/train/configuration.ts'
import { RunDirectory } from '../../../src/train/run-directory.ts'
import { percent } from '../../support/percent.ts'

/** One result; `key` names what was done, so that a study that was stopped continues where it was. */
export interface Cell {
  readonly key: string
  readonly accuracy: number
  readonly low: number
  readonly high: number
  /** Mean recall. */
  readonly balanced: number
  readonly videos: number
  readonly seconds: number
}

/** Cells of a study by key, one line of `cells.jsonl` each. */
export class Cells {
  private readonly file: string
  private readonly known = new Map<string, Cell>()

  private constructor(file: string) {
    this.file = file
  }

  static async open(folder: string): Promise<Cells> {
    await mkdir(folder, { recursive: true })
    const cells = new Cells(path.join(folder, 'cells.jsonl'))
    const text = await readFile(cells.file, 'utf8').catch(() => '')
    for (const line of text.split('\n').filter((row) => row.endsWith('}'))) {
      const cell = JSON.parse(line) as Cell
      cells.known.set(cell.key, cell)
    }
    return cells
  }

  async once(key: string, compute: () => Promise<Omit<Cell, 'key' | 'seconds'>>): Promise<Cell> {
    const before = this.known.get(key)
    if (before !== undefined) return before
    const began = performance.now()
    const cell = { key, ...(await compute()), seconds: (performance.now() - began) / 1000 }
    await appendFile(this.file, `${JSON.stringify(cell)}\n`)
    this.known.set(key, cell)
    console.error(`${key}: ${percent(cell.accuracy)} (${cell.seconds.toFixed(0)} s)`)
    return cell
  }
}

/** Mean over cells and its 95 % interval by Student's t: `71.2 [66.0, 76.4]`, in per cent. */
export function meanWithInterval(values: readonly number[]): string {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  if (values.length < 2) return percent(mean)
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1))
  const t = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262][values.length - 2] ?? 1.96
  const half = (t * deviation) / Math.sqrt(values.length)
  return `${percent(mean)} [${percent(Math.max(0, mean - half))}, ${percent(Math.min(1, mean + half))}]`
}

export interface MotionData {
  /** Folder of clips for pretraining, without labels. */
  readonly unlabeled: string
  /** List with path, label and split. */
  readonly labeled: string
}

/** Generated clips: half of the labeled ones to train on, a tenth for validation, the rest to test on. */
export async function motionData(
  folder: string,
  {
    unlabeled,
    labeled,
    size,
    frames = 24,
  }: { readonly unlabeled: number; readonly labeled: number; readonly size: number; readonly frames?: number },
): Promise<MotionData> {
  const data = { unlabeled: path.join(folder, 'unlabeled'), labeled: path.join(folder, 'labeled', 'split.csv') }
  if (existsSync(data.labeled)) return data
  await generateMotionDataset(data.unlabeled, { clips: unlabeled, size, frames, seed: 1 })
  const { files, labels } = await generateMotionDataset(path.dirname(data.labeled), {
    clips: labeled,
    size,
    frames,
    seed: 2,
  })
  const rows = files.map((file, k) => {
    const share = Math.floor(k / 8) / (labeled / 8)
    const split = share < 0.5 ? 'train' : share < 0.6 ? 'validation' : 'test'
    return `${path.relative(path.dirname(data.labeled), file)},${labels[k]},${split}`
  })
  await writeFile(data.labeled, `path,label,split\n${rows.join('\n')}\n`)
  return data
}

/** The sizes that experiments vary. */
export interface SmallModel {
  readonly width: number
  readonly depth: number
  readonly frames: number
  /** Pixels. */
  readonly resolution: number
  /** Pixels. Default 8. */
  readonly patch?: number
  /** Attention heads. Default: of 32 values. */
  readonly heads?: number
  /** Default: half the width of the encoder, two blocks, two heads. */
  readonly decoder?: { readonly width: number; readonly depth: number; readonly heads: number }
}

interface SmallSchedule extends Pick<RunInput, 'engine'> {
  readonly steps: number
  /** Clips of a step. */
  readonly batch: number
  /** Points of the learning curve. */
  readonly parts: number
  /** At its largest, whatever the batch. Default 2e-3. */
  readonly learningRate?: number
}

/** Model, optimizer and schedule of a small pretraining. */
export function smallPretraining(
  { width, patch = 8, heads, decoder, ...sizes }: SmallModel,
  { steps, batch, parts, learningRate = 2e-3, engine }: SmallSchedule,
): Omit<RunInput, 'data' | 'clip' | 'mask'> {
  return {
    model: {
      ...sizes,
      width,
      patch,
      heads: heads ?? Math.max(1, Math.round(width / 32)),
      // With flattened positions small models stay on the plateau for tens of thousands of clips (dev/log.md).
      positions: 'factored',
      decoder: decoder ?? { width: Math.max(64, width / 2), depth: 2, heads: 2 },
    },
    batch: { size: batch, perRun: batch },
    optimizer: {
      baseLearningRate: (learningRate * 256) / batch,
      minimumBaseLearningRate: 1e-4,
      countRepeats: true,
      clipNorm: 1,
    },
    schedule: { duration: `${steps} steps`, warmup: `${Math.floor(steps / 20)} steps` },
    checkpoint: { every: `${Math.max(50, Math.floor(steps / 20))} steps`, keep: 1 },
    log: { every: `${Math.max(10, Math.floor(steps / parts))} steps`, tensorboard: false },
    engine,
  }
}

/** A number on the command line. */
export const numberOr = (value: string | undefined, usual: number): number =>
  value === undefined ? usual : Number(value)

/**
 * Pretrains once; what is there already is continued or used as it is. Ctrl-C saves before it ends the program.
 *
 * @param seconds at most so long, all parts of the run together: it is then saved and used as far as it has come
 * @returns the run folder and its learning curve
 */
export async function pretrainOnce(
  out: string,
  input: RunInput,
  seconds = Number.POSITIVE_INFINITY,
): Promise<{ readonly run: string; readonly curve: string }> {
  const found = await findCheckpoint(new RunDirectory(out)).catch(() => null)
  const left = seconds - (found?.state.metrics.totals.seconds ?? 0)
  const stop = new AbortController()
  const interrupt = () => stop.abort()
  process.once('SIGINT', interrupt)
  let timer: NodeJS.Timeout | undefined
  try {
    if (left <= 0) return { run: out, curve: await learningCurve(out) }
    await pretrain(runSchema.parse(input), {
      out,
      resume: found !== null,
      signal: stop.signal,
      onProgress: ({ metrics, step, steps }) => {
        if (left < Number.POSITIVE_INFINITY) timer ??= setTimeout(() => stop.abort(outOfTime), 1000 * left)
        if (metrics === null) return
        const { loss, clipsPerSecond, dataWait } = metrics
        const speed = `${clipsPerSecond?.toFixed(0) ?? '?'} clips/s, waiting ${percent(dataWait)} %`
        console.error(`pretrain ${step}/${steps} loss ${loss.toFixed(4)}, ${speed}`)
      },
    })
  } catch (error) {
    if (stop.signal.reason !== outOfTime || !isInterruption(error)) throw error
  } finally {
    clearTimeout(timer)
    process.removeListener('SIGINT', interrupt)
  }
  return { run: out, curve: await learningCurve(out) }
}

const outOfTime = new Error('The time is up.')

const isInterruption = (error: unknown): boolean => error instanceof VideoMaeError && error.code === 'INTERRUPTED'

/**
 * How many steps fit into a time, so that the learning rate has fallen at its end: measured once by a short run, and
 * noted in `folder`. A little less than what would just fit.
 */
export async function stepsWithin(
  seconds: number,
  folder: string,
  configure: (steps: number) => RunInput,
): Promise<number> {
  const note = path.join(folder, 'steps.json')
  if (!existsSync(note)) {
    const probe = path.join(folder, 'probe')
    await rm(probe, { recursive: true, force: true })
    await pretrainOnce(probe, { ...configure(1e6), log: { every: '4 steps', tensorboard: false } }, 0.07 * seconds)
    const text = await readFile(path.join(probe, 'metrics.jsonl'), 'utf8')
    const lines = text
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row) as { readonly step: number; readonly seconds: number })
    // The first steps take longer: kernels are chosen, memory is filled for the first time.
    const [from, to] = [lines[Math.floor(lines.length / 2)]!, lines.at(-1)!]
    const stepsPerSecond = to === from ? to.step / to.seconds : (to.step - from.step) / (to.seconds - from.seconds)
    const steps = Math.max(1, Math.floor(0.93 * seconds * stepsPerSecond))
    await writeFile(note, JSON.stringify({ steps, seconds, stepsPerSecond }))
    await rm(probe, { recursive: true, force: true })
  }
  return (JSON.parse(await readFile(note, 'utf8')) as { readonly steps: number }).steps
}

/** The lines of the metrics of a run folder; none where it has no metrics. */
async function metricsOf(run: string): Promise<readonly { readonly clips: number; readonly loss: number }[]> {
  const text = await readFile(path.join(run, 'metrics.jsonl'), 'utf8').catch(() => '')
  const whole = text.split('\n').filter((row) => row.endsWith('}'))
  return whole.map((row) => JSON.parse(row) as { readonly clips: number; readonly loss: number })
}

/** @returns the loss of a run after so many clips; where its metrics have no such line the next one, with its clips: `1.114 at 640` */
export async function lossesAfter(run: string, clips: readonly number[]): Promise<readonly string[]> {
  const lines = await metricsOf(run)
  return clips.map((wanted) => {
    const line = lines.find((each) => each.clips >= wanted)
    if (line === undefined) return ''
    return `${line.loss.toFixed(3)}${line.clips === wanted ? '' : ` at ${line.clips}`}`
  })
}

/** Of a run folder; empty where it has no metrics. */
export async function learningCurve(run: string): Promise<string> {
  const lines = await metricsOf(run)
  const shown = lines.filter((_, i) => i % Math.max(1, Math.ceil(lines.length / 8)) === 0 || i === lines.length - 1)
  return `clips: loss  ${shown.map(({ clips, loss }) => `${clips}: ${loss.toFixed(3)}`).join(', ')}`
}

/** No more than the first step, for learners that take only the sizes of a model; `pretrainOnce` continues from there. */
export async function beginPretraining(out: string, input: RunInput): Promise<void> {
  const stop = new AbortController()
  if ((await findCheckpoint(new RunDirectory(out)).catch(() => null)) !== null) stop.abort()
  const options = { out, resume: true, signal: stop.signal, onProgress: () => stop.abort() }
  await pretrain(runSchema.parse(input), options).catch((error) => {
    if (!isInterruption(error)) throw error
  })
}

/** Fine-tunes and tests one classifier. */
export async function testOnce(out: string, input: FinetuneInput): Promise<Omit<Cell, 'key' | 'seconds'>> {
  await rm(out, { recursive: true, force: true }) // what a stop left behind
  const { test } = await finetune(finetuneConfiguration(input), { out })
  const { top1, balanced, videos } = test!.scores
  return { accuracy: top1.value, low: top1.low, high: top1.high, balanced: balanced.value, videos }
}
