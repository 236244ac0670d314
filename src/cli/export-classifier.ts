import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { percent } from '../core/percent.ts'
import { printable } from '../core/printable.ts'
import { type LabeledVideo, openDataset } from '../dataset/dataset.ts'
import { calibrationVideos } from '../export/calibration-videos.ts'
import { type ClassifierExport, exportClassifier, exportClassifierDirectory } from '../export/classifier.ts'
import type { ExportPrecision } from '../export/classifier-precision.ts'
import { compareExport, type ExportComparison } from '../export/compare.ts'
import { mostNamedFiles, readableClips } from '../export/readable-clips.ts'
import { requireExportTarget } from '../export/sidecar.ts'
import { openClassifier } from '../inference/classifier.ts'
import type { Evaluation, VideoFailure } from '../inference/evaluate.ts'
import { formatTrainedOn } from '../inference/trained-on.ts'
import { ProgressDisplay } from '../train/progress.ts'
import type { ExportCommandOptions } from './commands/export.ts'
import { partOfDataset } from './dataset-part.ts'
import { framesInput } from './export.ts'
import { describedLines } from './export-description.ts'
import { interruptSignal } from './interrupt.ts'

/** `videomae export --classifier`. */
export async function exportClassifierCommand(checkpoint: string, options: ExportCommandOptions): Promise<void> {
  const input = framesInput(options)
  const { json = false, format = 'onnx', calibrate, calibrationClips = 32, evaluate, engine, check } = options
  const out = options.out ?? (format === 'onnx' ? 'classifier.onnx' : 'classifier')
  const precision = precisionOf(options)
  if (check !== undefined) throw invalidArgument('--check', '--evaluate together with --classifier', check)
  if (options.calibrationClips !== undefined && calibrate === undefined)
    throw unusedArgument('--calibration-clips', 'without --calibrate', options.calibrationClips)
  if (format === 'huggingface') {
    if (input !== undefined) throw unusedArgument('--input', 'with a Hugging Face directory', input)
    if (engine !== undefined)
      throw unusedArgument('--engine', 'with a Hugging Face directory, for which nothing is computed', engine)
    if (precision !== 'float32') throw invalidArgument('--precision', 'float32 for a Hugging Face directory', precision)
    if (evaluate !== undefined) {
      const hint = 'Use `videomae evaluate` on the directory.'
      throw invalidArgument('--evaluate', 'none for a Hugging Face directory', evaluate, hint)
    }
    const { warnings } = await exportClassifierDirectory(checkpoint, out)
    for (const warning of warnings) process.stderr.write(`warning: ${printable(warning)}\n`)
    process.stdout.write(json ? `${JSON.stringify({ files: [out], warnings })}\n` : `wrote      ${out}\n`)
    return
  }
  await requireExportTarget(out) // before videos are read
  const display = new ProgressDisplay({ stream: process.stderr })
  const interrupt = interruptSignal('Run the command again.')
  const { signal } = interrupt
  try {
    const { configuration, sampling, labels } = await openClassifier(checkpoint) // its weights are not kept
    const shown = { configuration, sampling }
    const read = <Read extends { readonly lines: readonly string[] }>(use: Use, found: Read): Read => {
      if (!json) for (const line of found.lines) display.note(`--${use}: ${line}`)
      return found
    }
    const testedOf = async (data: string): Promise<readonly LabeledVideo[]> => {
      const dataset = await openDataset(data, { classes: labels, digests: false, signal })
      return read('evaluate', partOfDataset(dataset, 'test')).videos
    }
    const tested = evaluate === undefined ? null : await testedOf(evaluate)
    const clips =
      tested === null ? undefined : (await readableClips(shown, tested, { what: '--evaluate', most: 16, signal })).clips
    const calibration =
      calibrate === undefined
        ? undefined
        : await readableClips(shown, read('calibrate', calibrationVideos(calibrate)).videos, {
            ...{ what: '--calibrate', most: calibrationClips, signal },
          })
    const compareWith = engine ?? null
    const result = await exportClassifier(checkpoint, {
      out,
      input,
      precision,
      clips,
      calibration: calibration?.clips,
      compareWith,
      signal,
      onProgress: display.counter('clips'),
    })
    for (const warning of result.warnings) display.note(`warning: ${warning}`)
    const calibratedOn = calibration?.videos ?? []
    const { failures = [], ...compared } =
      tested === null ? {} : await compareExport(checkpoint, out, tested, { engine: compareWith, calibratedOn, signal })
    const unreadable = [
      ...(calibration?.unreadable ?? []).map((failure): UnreadableVideo => ({ use: 'calibrate', ...failure })),
      ...failures.map((failure): UnreadableVideo => ({ use: 'evaluate', ...failure })),
    ]
    for (const warning of warningsOf(unreadable)) display.note(`warning: ${warning}`)
    const accuracy = 'sameAnswer' in compared ? compared : null
    for (const warning of accuracy?.warnings ?? []) display.note(`warning: ${warning}`)
    process.stdout.write(json ? `${JSON.stringify({ ...result, accuracy, unreadable })}\n` : report(result, accuracy))
  } finally {
    interrupt.dispose()
  }
}

/** What `--precision`, `--fp16`, `--int8` and `--calibrate` ask for together. */
function precisionOf(options: ExportCommandOptions): ExportPrecision {
  const { precision, fp16 = false, int8 = false, calibrate } = options
  if (fp16 && int8) throw invalidArgument('--fp16 and --int8', 'at most one of them', 'both')
  if ((fp16 || int8) && precision !== undefined) {
    throw unusedArgument('--precision', `together with ${fp16 ? '--fp16' : '--int8'}`, precision)
  }
  const asked = fp16 ? 'float16' : int8 ? 'int8-dynamic' : (precision ?? 'float32')
  if (calibrate === undefined) {
    if (asked !== 'int8-static') return asked
    throw invalidArgument('--calibrate', 'videos to measure the ranges of activations on', calibrate)
  }
  if (asked === 'int8-static' || asked === 'int8' || int8) return 'int8-static'
  throw invalidArgument('--precision', 'int8-static together with --calibrate (or --int8)', asked)
}

/** What videos are asked for. */
type Use = 'calibrate' | 'evaluate'

/** A video that could not be read, and what it was asked for. */
interface UnreadableVideo extends VideoFailure {
  readonly use: Use
}

function warningsOf(unreadable: readonly UnreadableVideo[]): string[] {
  return (['calibrate', 'evaluate'] as const).flatMap((use) => {
    const own = unreadable.filter((video) => video.use === use)
    const shown = own.slice(0, mostNamedFiles).map(({ reason }) => `--${use}: left out: ${reason}`)
    const more = own.length - shown.length
    return more === 0 ? shown : [...shown, `--${use}: ${more} more files cannot be read.`]
  })
}

function report(
  { files, bytes, float32Bytes, precision, check, sidecar }: ClassifierExport,
  accuracy: Omit<ExportComparison, 'failures'> | null,
): string {
  const lines = [
    `wrote      ${files.join(', ')}`,
    `checked    ${check.clips} clip(s) against the ${check.engine} engine: largest difference of a logit ${check.logits.toExponential(2)}, of a probability ${check.probabilities.toExponential(2)}; ${check.sameClass} of ${check.clips} keep their class`,
    ...describedLines(sidecar),
  ]
  if (accuracy === null) lines.push(`size       ${megabytes(bytes)} (${precision}); float32 ${megabytes(float32Bytes)}`)
  else {
    const row = (name: string, size: number, { top1, loss, calibrationError }: Evaluation['scores']): string =>
      [
        name.padEnd(14),
        megabytes(size).padStart(9),
        `${percent(top1.value).padStart(7)} (${percent(top1.low)} to ${percent(top1.high)})`.padEnd(28),
        loss.toFixed(4).padStart(8),
        percent(calibrationError).padStart(12),
      ].join('  ')
    lines.push(
      '',
      `${'precision'.padEnd(14)}  ${'size'.padStart(9)}  ${'  top-1 (95 %)'.padEnd(28)}  ${'loss'.padStart(8)}  ${'calibration'.padStart(12)}`,
      row('float32', float32Bytes, accuracy.checkpoint),
      ...(precision === 'float32' ? [] : [row(precision, bytes, accuracy.file)]),
      `${accuracy.sameAnswer} of ${accuracy.file.videos} test videos get the same answer from the file as from the checkpoint`,
      `trained on ${formatTrainedOn(accuracy.trainedOn)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`
