import { printableLines } from '../core/printable.ts'
import { type MetricsLine, warmupSteps } from './metrics.ts'

/** What is known after a step, for whoever shows it. */
export interface TrainingProgress {
  /** Steps done. */
  readonly step: number
  /** Steps of the whole run. */
  readonly steps: number
  /** Loss of this step. */
  readonly loss: number
  /** The loss of predicting the mean on a clip of this step, where it is known. */
  readonly meanLoss?: number
  /** Clips of this step. */
  readonly clips: number
  /** Seconds of this step, and how many of them went by waiting for data. */
  readonly seconds: number
  /** Seconds of this step that went by waiting for data. */
  readonly waitSeconds: number
  /** Videos found unreadable so far. */
  readonly badFiles: number
  /** The line of `metrics.jsonl` that this step completed, or null. */
  readonly metrics: MetricsLine | null
}

export interface ProgressOptions {
  /** Where it is written; stderr, so that stdout stays clean for results. */
  readonly stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }
  /** Nothing at all is written. */
  readonly quiet?: boolean
}

/** Shows progress: a line that is rewritten on a terminal, one line per log interval elsewhere. */
export class ProgressDisplay {
  private readonly stream: ProgressOptions['stream']
  private readonly quiet: boolean
  /** Steps that were shown, and the newest of them behind the warm-up of the engine. */
  private steps = 0
  private window: TrainingProgress[] = []
  private loss: number | null = null
  private meanLoss: number | null = null
  private shown = false
  private lastDraw = 0

  constructor(options: ProgressOptions) {
    this.stream = options.stream
    this.quiet = options.quiet ?? false
  }

  update(progress: TrainingProgress): void {
    if (this.quiet) return
    this.loss = smoothed(this.loss, progress.loss)
    if (progress.meanLoss !== undefined) this.meanLoss = smoothed(this.meanLoss, progress.meanLoss)
    this.steps++
    if (this.steps > warmupSteps) this.window = [...this.window, progress].slice(-windowSteps)
    if (this.steps === warmupSteps + measuredSteps && progress.step < progress.steps) this.note(this.estimate(progress))
    if (this.stream.isTTY !== true) {
      if (progress.metrics !== null) this.stream.write(`${logLine(progress, progress.metrics, this.speed(progress))}\n`)
      return
    }
    const now = performance.now()
    if (now - this.lastDraw < 100 && progress.step < progress.steps) return
    this.lastDraw = now
    this.draw(this.terminalLine(progress))
  }

  /** Progress of work that is counted in videos: with the time left on a terminal, every ten seconds elsewhere. */
  counter(what: string): (done: number, total: number) => void {
    // From the first that is done: what comes before it is the start of processes.
    let began: { readonly at: number; readonly done: number } | null = null
    let lastLine: number | null = null
    return (done, total) => {
      if (this.quiet) return
      const now = performance.now()
      lastLine ??= now
      if (done > 0) began ??= { at: now, done }
      if (done >= total) {
        began = null // the next work of this kind has a pace of its own
        lastLine = null
        this.clear()
        return
      }
      const counted = began === null ? 0 : done - began.done
      const seconds = began === null ? 0 : (now - began.at) / 1000
      const left = counted === 0 ? '' : `  ${formatSeconds((seconds / counted) * (total - done))} left`
      const line = `${what} ${done}/${total}${left}`
      if (this.stream.isTTY === true) {
        if (now - this.lastDraw < 100) return
        this.lastDraw = now
        this.draw(line)
      } else if (now - lastLine >= 10_000) {
        lastLine = now
        this.stream.write(`${line}\n`)
      }
    }
  }

  /** A line of its own, above the progress line. */
  note(text: string): void {
    if (this.quiet) return
    this.clear()
    this.stream.write(`${printableLines(text)}\n`)
  }

  /** Leaves the last progress line standing. */
  end(): void {
    if (this.shown) this.stream.write('\n')
    this.shown = false
  }

  private draw(line: string): void {
    const width = Math.max(20, (this.stream.columns ?? 80) - 1)
    this.stream.write(`\r\u001b[2K${line.slice(0, width)}`)
    this.shown = true
  }

  private clear(): void {
    if (this.shown) this.stream.write('\r\u001b[2K')
    this.shown = false
  }

  /** Speed and time left by the steps of the window; null as long as the engine warms up. */
  private speed({ step, steps }: TrainingProgress): Speed | null {
    const sum = (of: (progress: TrainingProgress) => number): number =>
      this.window.reduce((all, one) => all + of(one), 0)
    const seconds = sum((one) => one.seconds)
    if (seconds === 0) return null
    return {
      clipsPerSecond: sum((one) => one.clips) / seconds,
      dataWait: sum((one) => one.waitSeconds) / seconds,
      pace: seconds / this.window.length,
      left: formatSeconds(((steps - step) * seconds) / this.window.length),
    }
  }

  /** How long the run takes, once that is known. */
  private estimate(progress: TrainingProgress): string {
    const speed = this.speed(progress)
    if (speed === null) return ''
    const left = progress.steps - progress.step
    return `time      about ${speed.left} for ${left} more steps (${speed.pace.toPrecision(2)} s a step; saving and validation come on top)`
  }

  private terminalLine(progress: TrainingProgress): string {
    const { step, steps } = progress
    const filled = Math.floor((step / steps) * 20)
    const bar = `${'#'.repeat(filled)}${'.'.repeat(20 - filled)}`
    const speed = this.speed(progress)
    const pace = speed === null ? '  warming up' : `  ${speed.clipsPerSecond.toFixed(1)} clips/s  ${speed.left} left`
    const waiting = speed !== null && speed.dataWait > 0.05 ? `  data ${Math.round(speed.dataWait * 100)} %` : ''
    const bad = progress.badFiles > 0 ? `  bad files ${progress.badFiles}` : ''
    return `[${bar}] ${step}/${steps}  loss ${this.loss!.toFixed(4)}${besideMean(this.meanLoss)}${pace}${waiting}${bad}`
  }
}

/** Steps behind the warm-up after which the time of the run is told. */
const measuredSteps = 3

/** Steps that speed and time left are taken from. */
const windowSteps = 50

interface Speed {
  readonly clipsPerSecond: number
  /** Share of the time that went by waiting for data. */
  readonly dataWait: number
  /** Seconds a step. */
  readonly pace: number
  readonly left: string
}

function smoothed(before: number | null, value: number): number {
  return before === null ? value : 0.9 * before + 0.1 * value
}

/** What comes after a loss of pretraining. */
function besideMean(meanLoss: number | null): string {
  return meanLoss === null ? '' : ` (mean ${meanLoss.toFixed(4)})`
}

function logLine({ step, steps, badFiles }: TrainingProgress, line: MetricsLine, speed: Speed | null): string {
  const parts = [
    `step ${step}/${steps}`,
    `epoch ${line.epoch.toFixed(2)}`,
    `loss ${line.loss.toFixed(4)}${besideMean(line.meanLoss ?? null)}`,
    `lr ${line.learningRate.toExponential(2)}`,
    `gradient ${line.gradientNorm.toPrecision(3)}`,
    ...(speed === null
      ? ['warming up']
      : [`${speed.clipsPerSecond.toFixed(1)} clips/s`, `data ${(speed.dataWait * 100).toFixed(0)} %`]),
    `memory ${(line.memory / 1e6).toFixed(0)} MB`,
    ...(speed === null ? [] : [`${speed.left} left`]),
  ]
  if (badFiles > 0) parts.push(`bad files ${badFiles}`)
  return parts.join('  ')
}

/** `45 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`
}
