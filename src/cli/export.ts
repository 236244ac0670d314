import { RandomStream } from '../core/random.ts'
import { clipsForCheck } from '../export/clips.ts'
import { type ExportInput, exportEncoder } from '../export/encoder.ts'
import type { CommonOptions } from './run.ts'

export interface ExportCommandOptions extends CommonOptions {
  readonly out: string
  readonly input: ExportInput
  readonly check?: string
  readonly engine?: string
}

/** `videomae export`. */
export async function exportCommand(
  checkpoint: string,
  { json, out, input, check, engine }: ExportCommandOptions,
): Promise<void> {
  const clips = await clipsForCheck(checkpoint, check, new RandomStream('export'))
  const result = await exportEncoder(checkpoint, { out, input, clips, compareWith: engine })
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { files, bytes, check: checked } = result
  process.stdout.write(
    `wrote      ${files.join(', ')} (${(bytes / 1e6).toFixed(1)} MB)\n` +
      `checked    ${checked.clips} clip(s) against the ${checked.engine} engine: largest difference ` +
      `${checked.largestDifference.toExponential(2)} (limit 1e-4)\n`,
  )
}
