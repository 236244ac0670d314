import type { MaskKind } from '../mask/mask.ts'
import { reconstruct } from '../report/reconstruct.ts'
import type { DecoderName } from '../video/index.ts'
import type { CommonOptions } from './run.ts'

export interface ReconstructCommandOptions extends CommonOptions {
  readonly maskRatio?: number
  readonly mask?: MaskKind
  readonly stride?: number
  readonly out: string
  readonly seed: number
  readonly engine?: string
  readonly decoder: DecoderName
}

/** `videomae reconstruct`. */
export async function reconstructCommand(
  checkpoint: string,
  video: string,
  { json, ...options }: ReconstructCommandOptions,
): Promise<void> {
  const result = await reconstruct(checkpoint, video, options)
  for (const warning of result.warnings) process.stderr.write(`warning: ${warning}\n`)
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { picture, animation, loss, pixelError, visible, masked } = result
  process.stdout.write(
    `${masked} of ${visible + masked} patches hidden; loss ${loss.toFixed(4)}, pixel error ${pixelError.toFixed(5)}\n` +
      `picture    ${picture}\nanimation  ${animation}\n`,
  )
}
