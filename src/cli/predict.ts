import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { predict } from '../inference/predict.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { readingLines, type SourceReading } from '../video/reading.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'
import { interruptSignal } from './interrupt.ts'
import type { CommonOptions } from './run.ts'

export interface PredictCommandOptions extends CommonOptions {
  /** Run folder, checkpoint, Hugging Face directory or ONNX file. */
  readonly from: string
  readonly top?: number
  readonly clips?: number
  readonly crops?: number
  readonly engine?: string
  readonly threads?: number
  readonly decoder?: 'node-av' | 'ffmpeg'
}

/** `videomae predict`. Ends with `VIDEO_UNREADABLE` (exit 3) after printing, when a video could not be read. */
export async function predictCommand(videos: readonly string[], options: PredictCommandOptions): Promise<void> {
  const { json = false, engine, from, top, clips, crops, threads, decoder } = options
  refuseIgnoredThreads(engine, threads)
  const interrupt = interruptSignal('Run the command again.')
  const display = new ProgressDisplay({ stream: process.stderr })
  let sources: readonly SourceReading[] = []
  try {
    const predictions = await predict(videos, {
      from,
      top,
      clips,
      crops,
      threads,
      decoder,
      engine: engine ?? null,
      signal: interrupt.signal,
      onWarning: (warning) => display.note(`warning: ${warning}`),
      onProgress: display.counter('videos'),
      onSources(read) {
        sources = read
        if (!json) for (const line of read.flatMap(readingLines)) display.note(line)
      },
    })
    display.end()
    if (json) process.stdout.write(`${JSON.stringify({ predictions, ...(sources.length === 0 ? {} : { sources }) })}\n`)
    else {
      for (const prediction of predictions) {
        const classes = prediction.ok
          ? prediction.classes.map(
              ({ label, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${printable(label)}\n`,
            )
          : [`  unreadable: ${printable(prediction.reason)}\n`]
        const { start, end } = prediction.part ?? {}
        const part =
          prediction.part === undefined ? '' : ` ${start ?? 0} s to ${end === undefined ? 'the end' : `${end} s`}`
        process.stdout.write(`${printable(prediction.video)}${part}\n${classes.join('')}`)
      }
    }
    const failed = predictions.filter(({ ok }) => !ok)
    if (failed.length === 0) return
    const reason = `${failed.length} of ${predictions.length} videos could not be read.`
    // With --json the failures are in what was printed; a second document would not be.
    if (json) process.exitCode = exitCodes.data
    else throw new VideoMaeError(reason, { code: 'VIDEO_UNREADABLE', exit: 'data', hint: 'Each is named above.' })
  } finally {
    display.end()
    interrupt.dispose()
  }
}
