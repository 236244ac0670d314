/** Two files that say how pixels become the input of a model: they have to say the same. */
import { VideoMaeError } from '../core/errors.ts'
import type { ModelConfiguration } from './configuration.ts'
import { type Preprocessing, readPreprocessing } from './preprocessing.ts'

/** Releases of transformers write one or the other; converted models may have both. */
export const preprocessorFiles = ['preprocessor_config.json', 'video_preprocessor_config.json'] as const

/** Keys that decide each part of what is read. */
const keysOf: Readonly<Record<'mean' | 'std' | 'resize', readonly string[]>> = {
  mean: ['image_mean', 'do_normalize', 'do_rescale', 'rescale_factor', 'offset', 'rescale_offset'],
  std: ['image_std', 'do_normalize', 'do_rescale', 'rescale_factor'],
  resize: ['size', 'crop_size', 'do_center_crop', 'do_resize'],
}

/**
 * @param first the file that is applied
 * @param second the other one
 * @param given means and deviations that replace those of the files
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the files and the key, where the second gives other pixels or cannot be applied
 */
export function requireSamePreprocessing(
  path: string,
  first: unknown,
  second: unknown,
  configuration: Pick<ModelConfiguration, 'imageSize' | 'channels'>,
  given: { readonly mean?: unknown; readonly std?: unknown } = {},
): void {
  const one = readPreprocessing(first, configuration)
  const two = readSecond(path, second, configuration)
  for (const part of ['mean', 'std', 'resize'] as const) {
    if ((part !== 'resize' && given[part] !== undefined) || isSame(one[part], two[part])) continue
    const values = (file: unknown) => file as Readonly<Record<string, unknown>>
    const [ours, theirs] = [values(first), values(second)]
    const keys = keysOf[part].filter((key) => JSON.stringify(ours[key]) !== JSON.stringify(theirs[key]))
    const shown = keys.map((key) => `${key} ${told(ours[key])} and ${told(theirs[key])}`).join(', ')
    throw conflict(path, `they give different pixels: ${shown}`)
  }
}

function readSecond(
  path: string,
  second: unknown,
  configuration: Pick<ModelConfiguration, 'imageSize' | 'channels'>,
): Preprocessing {
  try {
    return readPreprocessing(second, configuration)
  } catch (cause) {
    if (!(cause instanceof VideoMaeError)) throw cause
    // The reader names the usual file.
    const why = cause.message.replaceAll(preprocessorFiles[0], preprocessorFiles[1])
    throw conflict(path, `the first can be applied and the second cannot: ${why.replace(/\.$/, '')}`)
  }
}

/** Numbers up to rounding: a factor of 0.00392156862745098 is 1 / 255. */
function isSame(
  a: Preprocessing['resize'] | readonly number[],
  b: Preprocessing['resize'] | readonly number[],
): boolean {
  if (!isNumbers(a) || !isNumbers(b)) return JSON.stringify(a) === JSON.stringify(b)
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= 1e-6)
}

function isNumbers(value: Preprocessing['resize'] | readonly number[]): value is readonly number[] {
  return Array.isArray(value)
}

function told(value: unknown): string {
  return value === undefined ? '(not given)' : JSON.stringify(value)
}

function conflict(path: string, why: string): VideoMaeError {
  return new VideoMaeError(`Expected ${preprocessorFiles.join(' and ')} next to ${path} to agree, but ${why}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: 'Keep the file with which the weights were trained, and remove the other.',
  })
}
