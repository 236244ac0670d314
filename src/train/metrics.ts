import type { StepRecord } from './loop.ts'
import type { ScheduledValues } from './schedule.ts'

/** One line of `metrics.jsonl`: means over the steps since the line before. */
export interface MetricsLine {
  /** Optimizer steps done. */
  readonly step: number
  /** Passes over the videos done, with fraction. */
  readonly epoch: number
  /** Clips shown to the model since the start, repeats included. */
  readonly clips: number
  readonly loss: number
  /** Of pretraining: the loss of predicting the mean, on one clip of each step. */
  readonly meanLoss?: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Before clipping. */
  readonly gradientNorm: number
  /** Of the steps behind the first two of each part of a run, in which an engine warms up; null where the line has no other. */
  readonly clipsPerSecond: number | null
  /** Share of the time that went by waiting for data, 0 to 1. */
  readonly dataWait: number
  /** Largest resident memory of the training process so far, bytes. */
  readonly memory: number
  /** Bytes the engine holds: state and what it knows of the rest. */
  readonly engineMemory: number
  /** Wall time of the training so far, all its parts together, seconds. */
  readonly seconds: number
}

/** Columns of `metrics.csv`: the keys of a line in their order. */
const columns = [
  ...(['step', 'epoch', 'clips', 'loss', 'meanLoss', 'learningRate', 'weightDecay', 'gradientNorm'] as const),
  ...(['clipsPerSecond', 'dataWait', 'memory', 'engineMemory', 'seconds'] as const),
] satisfies readonly (keyof MetricsLine)[]

export const metricsCsvHead = `${columns.join(',')}\n`

/** A line of `metrics.csv`; an empty field where there is no value. */
export function metricsCsvLine(line: MetricsLine): string {
  return `${columns.map((name) => line[name] ?? '').join(',')}\n`
}

/** Losses of predicting the mean. */
export interface MeanLossSum {
  readonly sum: number
  /** How many were added up. */
  readonly count: number
}

export interface MeasuredSteps {
  readonly clips: number
  readonly seconds: number
}

/** Sums since the last line; part of a checkpoint, so that a resumed run writes the same means. */
export interface MetricsWindow {
  readonly steps: number
  readonly loss: number
  readonly gradientNorm: number
  readonly clips: number
  readonly seconds: number
  readonly waitSeconds: number
  /** Those of `clips` and `seconds` that the speed is measured on. Absent in checkpoints that were written before they were counted. */
  readonly measured?: MeasuredSteps | undefined
  /** Absent in checkpoints that were written before it was counted, and where there is none. */
  readonly meanLoss?: MeanLossSum | undefined
}

/** What is counted over the whole run; part of a checkpoint. */
export interface MetricsTotals {
  readonly clips: number
  readonly seconds: number
  readonly measured?: MeasuredSteps | undefined
  readonly meanLoss?: MeanLossSum | undefined
}

export interface MetricsState {
  readonly window: MetricsWindow
  readonly totals: MetricsTotals
}

const emptyWindow: MetricsWindow = { steps: 0, loss: 0, gradientNorm: 0, clips: 0, seconds: 0, waitSeconds: 0 }

export const emptyMetrics: MetricsState = { window: emptyWindow, totals: { clips: 0, seconds: 0 } }

/** What a line needs next to the steps themselves. */
export interface MetricsContext {
  readonly scheduled: ScheduledValues
  readonly stepsPerEpoch: number
  readonly memory: number
  readonly engineMemory: number
}

/** First steps of a part of a run, in which an engine warms up: they say nothing of its speed. */
export const warmupSteps = 2

/** Adds up steps and turns them into lines. */
export class Metrics {
  private window: MetricsWindow
  private totals: MetricsTotals
  /** Steps of this part of the run. */
  private steps = 0

  constructor(state: MetricsState = emptyMetrics) {
    this.window = state.window
    this.totals = state.totals
  }

  get state(): MetricsState {
    return { window: this.window, totals: this.totals }
  }

  /** Mean over the whole run of the loss of predicting the mean; null where it is not known. */
  get meanLoss(): number | null {
    return meanOf(this.totals.meanLoss)
  }

  /** Over the whole run, without the steps in which an engine warmed up; null where there is no other. */
  get clipsPerSecond(): number | null {
    return speedOf(this.totals.measured)
  }

  add(record: StepRecord): void {
    const { window, totals } = this
    const warm = ++this.steps > warmupSteps ? record : null
    this.window = {
      steps: window.steps + 1,
      loss: window.loss + record.loss,
      gradientNorm: window.gradientNorm + record.gradientNorm,
      clips: window.clips + record.clips,
      seconds: window.seconds + record.seconds,
      waitSeconds: window.waitSeconds + record.waitSeconds,
      measured: measuredWith(window.measured, warm),
      meanLoss: added(window.meanLoss, record.meanLoss),
    }
    this.totals = {
      clips: totals.clips + record.clips,
      seconds: totals.seconds + record.seconds,
      measured: measuredWith(totals.measured, warm),
      meanLoss: added(totals.meanLoss, record.meanLoss),
    }
  }

  /** The line up to `step`; the next one begins behind it. */
  line(step: number, context: MetricsContext): MetricsLine {
    const { window, totals } = this
    this.window = emptyWindow
    const meanLoss = meanOf(window.meanLoss)
    return {
      step,
      epoch: rounded(step / context.stepsPerEpoch, 4),
      clips: totals.clips,
      loss: window.loss / window.steps,
      ...(meanLoss !== null && { meanLoss }),
      learningRate: context.scheduled.learningRate,
      weightDecay: context.scheduled.weightDecay,
      gradientNorm: window.gradientNorm / window.steps,
      clipsPerSecond: speedOf(window.measured),
      dataWait: rounded(window.waitSeconds / window.seconds, 4),
      memory: context.memory,
      engineMemory: context.engineMemory,
      seconds: rounded(totals.seconds, 3),
    }
  }
}

function measuredWith(before: MeasuredSteps | undefined, record: StepRecord | null): MeasuredSteps | undefined {
  if (record === null) return before
  return { clips: (before?.clips ?? 0) + record.clips, seconds: (before?.seconds ?? 0) + record.seconds }
}

function speedOf(measured: MeasuredSteps | undefined): number | null {
  return measured === undefined ? null : rounded(measured.clips / measured.seconds, 3)
}

function added(before: MeanLossSum | undefined, value: number | undefined): MeanLossSum | undefined {
  if (value === undefined) return before
  return { sum: (before?.sum ?? 0) + value, count: (before?.count ?? 0) + 1 }
}

function meanOf(sum: MeanLossSum | undefined): number | null {
  return sum === undefined ? null : sum.sum / sum.count
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
