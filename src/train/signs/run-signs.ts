/** Signs of learning over a pretraining run: when they are measured, and what is written down. */
import { appendFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import type { Ranks } from '../../distributed/ranks.ts'
import type { EngineSession } from '../../engine/engine.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { signsFile } from '../file-names.ts'
import { jsonLines, readHistory } from '../history.ts'
import { signsLineSchema } from '../history-lines.ts'
import type { RunOptions, ShowScalars } from '../training-job.ts'
import type { LearningSigns } from './measure.ts'
import { ProbeVideos, type VideoProbeOptions } from './probe-videos.ts'

/** A line of `signs.jsonl`. */
export interface SignsLine extends LearningSigns {
  /** Optimizer steps done; 0: the weights that the run began with. */
  readonly step: number
  /** Videos that it was measured on. */
  readonly videos: number
}

export interface RunSignsOptions extends VideoProbeOptions, Pick<RunOptions, 'out' | 'onNote'> {
  readonly ranks: Ranks
  readonly steps: number
  /** Steps from one checkpoint to the next. */
  readonly every: number
}

/** What features can be like that nothing is measured on them. Training may continue: it looks at its own numbers. */
const ofFeatures: ReadonlySet<string> = new Set(['OUTPUT_NOT_FINITE', 'RIDGE_SINGULAR'])

/** Measures before the first step, at every checkpoint of the schedule and behind the last step. The first rank measures; the others wait. */
export class RunSigns {
  private readonly options: RunSignsOptions
  private readonly videos: ProbeVideos
  private lines: readonly SignsLine[] = []

  constructor(options: RunSignsOptions) {
    this.options = options
    this.videos = new ProbeVideos(options)
  }

  /** All measurements so far, of earlier parts of the run, too. */
  get history(): readonly SignsLine[] {
    return this.lines
  }

  /** Goes back to what was known after `done` steps. Call it on the rank that writes. */
  async begin(done: number): Promise<void> {
    const file = this.file()
    const before = done === 0 ? [] : await readHistory(file, signsLineSchema)
    this.lines = before.filter(({ step }) => step <= done)
    await writeFileAtomic(file, jsonLines(this.lines))
  }

  /**
   * A measurement where one is due and there is none yet: a run that was stopped in one makes up for it when it continues. Collective.
   *
   * @throws VideoMaeError what the decoder and the engine throw
   */
  async after(step: number, session: EngineSession, show: ShowScalars): Promise<void> {
    const { ranks, steps, every, signal, onNote } = this.options
    if (step % every !== 0 && step !== steps) return
    await ranks.agree(async () => {
      if (ranks.rank > 0 || this.lines.some((line) => line.step === step)) return
      try {
        await this.measure(step, session, show)
      } catch (error) {
        if (signal?.aborted === true) return
        if (!(error instanceof VideoMaeError) || !ofFeatures.has(error.code)) throw error
        onNote?.(`warning: no signs of learning after step ${step}: ${error.message}`)
      }
    })
  }

  private async measure(step: number, session: EngineSession, show: ShowScalars): Promise<void> {
    const signs = await this.videos.measure(session)
    if (signs === null) return
    const line = { step, ...signs }
    this.lines = [...this.lines, line]
    await appendFile(this.file(), jsonLines([line]))
    this.options.onNote?.(describeSigns(line, this.options.model.encoder.width))
    await show(step, {
      'signs/arrow_of_time': line.arrowOfTime,
      'signs/flow_direction': line.flowDirection,
      'signs/effective_rank': line.effectiveRank,
    })
  }

  private file(): string {
    return path.join(this.options.out, signsFile)
  }
}

/** `signs of learning after step 500: arrow of time 0.56, direction of flow 0.71 (chance 0.50), effective rank 31.2 of at most 127` */
function describeSigns({ step, arrowOfTime, flowDirection, effectiveRank, videos }: SignsLine, width: number): string {
  return (
    `signs of learning ${step === 0 ? 'before training' : `after step ${step}`}: arrow of time ${arrowOfTime.toFixed(2)}, direction of flow ${flowDirection.toFixed(2)} ` +
    `(chance 0.50), effective rank ${effectiveRank.toFixed(1)} of at most ${Math.min(width, videos - 1)}${step === 0 ? '; compare later values with these' : ''}`
  )
}

/** Below this effective rank, features have collapsed: all clips are on a line, but for little. */
const collapsedBelow = 2

/** What the signs after the last step say against the run; nothing where the start or the end was not measured. */
export function signsWarnings(lines: readonly SignsLine[]): string[] {
  const [first, last] = [lines[0], lines.at(-1)]
  if (first?.step !== 0 || last === undefined || last.step === 0) return []
  if (last.effectiveRank < collapsedBelow)
    return [
      `The features have collapsed: their effective rank is ${last.effectiveRank.toFixed(1)}, after ${first.effectiveRank.toFixed(1)} before the first step. ` +
        'Lower optimizer.baseLearningRate, or begin again from an earlier checkpoint.',
    ]
  const error = 0.5 / Math.sqrt(last.videos)
  const grown = (key: 'flowDirection' | 'arrowOfTime'): boolean => last[key] - first[key] >= error
  if (grown('flowDirection') || grown('arrowOfTime')) return []
  const change = (key: 'flowDirection' | 'arrowOfTime'): string =>
    `${last[key].toFixed(2)}, before ${first[key].toFixed(2)}`
  return [
    `The features tell no more about motion than before the first step (direction of flow ${change('flowDirection')}; ` +
      `arrow of time ${change('arrowOfTime')}; standard error ${error.toFixed(2)}): train longer (schedule.duration).`,
  ]
}
