import { VideoMaeError } from '../core/errors.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'

/**
 * The content of a JSON file that is next to weights; undefined where there is none.
 *
 * @param hint what to do about a damaged one
 * @throws VideoMaeError `CHECKPOINT_INVALID` where it is no JSON
 */
export async function readJsonBesideWeights(file: string, hint: string): Promise<unknown> {
  let text: string
  try {
    text = await readRegularText(file)
  } catch (error) {
    return nullIfMissing(error) ?? undefined
  }
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new VideoMaeError(`Expected JSON in ${file}: ${(cause as Error).message}.`, {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      hint,
      cause,
    })
  }
}
