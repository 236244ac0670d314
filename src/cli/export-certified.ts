import { existsSync } from 'node:fs'
import { exportEnsemble } from '../certify/videos/ensemble/export-ensemble.ts'
import { unusedArgument } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import type { ExportCommandOptions } from './commands/export.ts'
import { refuseClassifierOptions } from './export.ts'
import { describedLines } from './export-description.ts'
import { interruptSignal } from './interrupt.ts'

/** `videomae export CHECKPOINT --certified`. */
export async function exportCertifiedCommand(
  encoder: string,
  certified: string,
  options: ExportCommandOptions,
): Promise<void> {
  const { json = false, out = 'certified.onnx', input, engine, classifier, check } = options
  if (classifier === true) throw unusedArgument('--classifier', 'with --certified', true)
  if (check !== undefined) throw unusedArgument('--check', 'with --certified, which votes on generated clips', check)
  refuseClassifierOptions(options, 'a certified ensemble')
  const interrupt = interruptSignal('Run the command again.')
  const { signal } = interrupt
  const result = await exportEnsemble(certified, {
    ...{ out, input, compareWith: engine ?? null, signal },
    // Those of groups, in their order.
    encoder: existsSync(encoder) ? encoder : encoder.split(','),
  }).finally(() => interrupt.dispose())
  for (const warning of result.warnings) process.stderr.write(`warning: ${printable(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { files, bytes, digest, check: found, sidecar } = result
  process.stdout.write(
    `wrote      ${files.join(', ')} (${(bytes / 1e6).toFixed(1)} MB)\nensemble   ${digest}\n` +
      `checked    ${found.votes} votes on ${found.clips} clips${found.engine === null ? '' : ` against the ${found.engine} engine`}: ` +
      `${found.differentVotes} differ; largest difference of a score ${found.largestDifference.toExponential(2)} (limit 1e-4)\n${describedLines(sidecar).join('\n')}\n`,
  )
}
