import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { RandomStream } from '../core/random.ts'
import type { ExportInput } from '../export/check.ts'
import { clipsForCheck } from '../export/clips.ts'
import { exportEncoder } from '../export/encoder.ts'
import { requireExportTarget } from '../export/sidecar.ts'
import type { ExportCommandOptions } from './commands/export.ts'
import { describedLines } from './export-description.ts'
import { interruptSignal } from './interrupt.ts'

/** Options that mean something with `--classifier` only. */
const classifierOptions = {
  precision: '--precision',
  fp16: '--fp16',
  int8: '--int8',
  calibrate: '--calibrate',
  calibrationClips: '--calibration-clips',
  format: '--format',
  evaluate: '--evaluate',
} as const

export type ClassifierOptions = Pick<ExportCommandOptions, keyof typeof classifierOptions>

/** What goes into an encoder or a classifier. @throws VideoMaeError `INVALID_ARGUMENT` for what only an ensemble reads */
export function framesInput({ input }: ExportCommandOptions): ExportInput | undefined {
  if (input === 'pooled') throw invalidArgument('--input', 'uint8 or float32 without --certified', input)
  return input
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function refuseClassifierOptions(options: ClassifierOptions, what: string): void {
  for (const [name, written] of Object.entries(classifierOptions)) {
    if (options[name as keyof typeof classifierOptions] === undefined) continue
    throw new VideoMaeError(`Expected --classifier with ${written}, which has no effect on ${what}.`, {
      code: 'INVALID_ARGUMENT',
      exit: 'usage',
      hint: `Add --classifier, or leave ${written} out.`,
    })
  }
}

/** `videomae export`. */
export async function exportCommand(checkpoint: string, options: ExportCommandOptions): Promise<void> {
  const input = framesInput(options)
  refuseClassifierOptions(options, 'an encoder')
  const { json, out = 'encoder.onnx', check, engine } = options
  await requireExportTarget(out)
  const interrupt = interruptSignal('Run the command again.')
  const { signal } = interrupt
  const given = check === undefined ? undefined : clipsForCheck(checkpoint, check, new RandomStream('export'))
  const result = await Promise.resolve(given)
    .then((clips) => exportEncoder(checkpoint, { out, input, clips, compareWith: engine, signal }))
    .finally(() => interrupt.dispose())
  for (const warning of result.warnings) process.stderr.write(`warning: ${printable(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { files, bytes, check: checked, sidecar } = result
  process.stdout.write(
    `wrote      ${files.join(', ')} (${(bytes / 1e6).toFixed(1)} MB)\n` +
      `checked    ${checked.clips} clip(s) against the ${checked.engine} engine: largest difference ` +
      `${checked.largestDifference.toExponential(2)} (limit 1e-4)\n${describedLines(sidecar).join('\n')}\n`,
  )
}
