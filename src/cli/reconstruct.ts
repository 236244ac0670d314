import { printable } from '../core/printable.ts'
import { reconstruct } from '../report/reconstruct.ts'
import type { ReconstructCommandOptions } from './commands/reconstruct.ts'

/** `videomae reconstruct`. */
export async function reconstructCommand(
  checkpoint: string,
  video: string,
  { json, ...options }: ReconstructCommandOptions,
): Promise<void> {
  const { clips, ...result } = await reconstruct(checkpoint, video, options)
  for (const warning of result.warnings) process.stderr.write(`warning: ${printable(warning)}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { picture, animation, loss, meanLoss, pixelError, visible, masked } = result
  const rows = ['original', 'masked', 'prediction']
  if (clips.predictionWithTrueStatistics !== null) rows.push('prediction + true patch mean and std')
  process.stdout.write(
    `${masked} of ${visible + masked} patches hidden; loss ${loss.toFixed(4)} (predicting the mean: ${meanLoss.toFixed(4)}), ` +
      `pixel error of the prediction ${pixelError.toFixed(5)}\n` +
      `picture    ${picture}\nanimation  ${animation}\nrows       ${rows.join(' | ')}\n`,
  )
}
