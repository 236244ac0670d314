/** What turns a video into features here: an encoder, one that has learned nothing, patches of pixels, or plain pixels. */
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import {
  type EncoderWeights,
  freshEncoder,
  type PatchSource,
  patchSource,
  readEncoder,
  type TokenSource,
} from '../../inference/encoder-source.ts'
import type { TestSampling } from '../../inference/views.ts'
import { tokenGrid } from '../../model/configuration.ts'
import { readoutWidth } from '../../model/readout.ts'
import { readoutName } from '../../model/readout-name.ts'
import { clipTiming } from '../../train/clip-timing.ts'
import { type HogReadout, hogReadouts, hogSize, isHogReadout } from './hog.ts'

/** What makes features of videos: an encoder, or their pixels. */
export type FeatureSource =
  /** A checkpoint; `path` is what was opened. */
  | {
      readonly kind: 'encoder'
      readonly name: string
      readonly source: EncoderWeights
      readonly path: string
      readonly readout: string
    }
  /** The architecture of a checkpoint with fresh weights: a fixed function, no data took part in it. */
  | { readonly kind: 'untrained'; readonly name: string; readonly source: EncoderWeights; readonly readout: string }
  /** Only sizes: every base classifier begins with fresh weights of its own. */
  | { readonly kind: 'scratch'; readonly name: string; readonly source: EncoderWeights }
  /** A readout of the patches themselves: a fixed function without an encoder. */
  | { readonly kind: 'patches'; readonly name: string; readonly source: PatchSource; readonly readout: string }
  /** Colors of a small clip, `size` x `size` x `frames`, or its gradients: a fixed function too. */
  | {
      readonly kind: 'pixels'
      readonly name: string
      readonly size: number
      readonly frames: number
      readonly sampling: TestSampling
      /** Null: all colors. */
      readonly readout: HogReadout | null
    }

export interface FeatureSourceOptions {
  /** Frames from one frame of a clip to the next; default: as the encoder was trained, 1 for pixels. */
  readonly stride?: number
  /**
   * What features are of the tokens; see `readTokens`. Default `mean`; without one, features of pixels are all colors of a small clip,
   * with `hog` or `hog-color` its gradients, and with another one the tokens are patches.
   */
  readonly readout?: string
  /** Seed of the weights of an untrained encoder. Default 0. */
  readonly seed?: number
  /** Whether learners start from fresh weights of their own, so that only the sizes of the checkpoint count. */
  readonly scratch?: boolean
  /** Pixels: side of a frame, and frames. Default 16, 32 for gradients, and 8. */
  readonly size?: number
  readonly frames?: number
}

const untrained = 'untrained:'

/** Whether a name is that of a checkpoint whose weights are used. */
export function isTrained(from: string): boolean {
  return from !== 'pixels' && !from.startsWith(untrained)
}

/**
 * Opens what makes features of videos.
 *
 * @param from a run folder, checkpoint or Hugging Face directory; `untrained:CHECKPOINT` for fresh weights of the same
 *   sizes; `pixels` for no encoder at all
 * @throws VideoMaeError as `readEncoder` and `readoutWidth`; `INVALID_ARGUMENT`
 */
export async function openFeatureSource(from: string, options: FeatureSourceOptions = {}): Promise<FeatureSource> {
  const { stride, seed = 0, scratch = false, frames = 8, readout: asked } = options
  if (from === 'pixels') {
    if (scratch) throw invalidArgument('from', 'a checkpoint with the sizes of base classifiers from scratch', from)
    const sampling = { kind: 'dense' as const, ...clipTiming({ stride }, { stride: 1, fps: null }) }
    const readout = isHogReadout(asked) ? asked : null
    const { size = readout === null ? 16 : hogSize } = options
    if (asked === undefined || readout !== null) return { kind: 'pixels', name: from, size, frames, sampling, readout }
    return fitting({
      kind: 'patches',
      name: from,
      source: patchSource(sampling),
      readout: readoutName(asked, hogReadouts),
    })
  }
  if (isHogReadout(asked)) throw unusedArgument('readout', `with ${from}, but only with pixels`, asked)
  const fresh = from.startsWith(untrained)
  const location = fresh ? from.slice(untrained.length) : from
  if (location === '') throw invalidArgument('from', `a checkpoint after "${untrained}", with the sizes to use`, from)
  const opened = await readEncoder(location)
  const sampling = { ...opened.sampling, ...clipTiming({ stride }, opened.sampling) }
  if (scratch) return { kind: 'scratch', name: from, source: { ...opened, sampling } }
  const readout = readoutName(asked ?? 'mean')
  if (fresh)
    return fitting({
      kind: 'untrained',
      name: from,
      source: freshEncoder(opened.configuration, sampling, seed),
      readout,
    })
  return fitting({ kind: 'encoder', name: from, source: { ...opened, sampling }, path: location, readout })
}

/** @throws VideoMaeError `READOUT_UNFIT` for a readout that clips of the source do not have */
function fitting<Source extends FeatureSource & { readonly source: TokenSource; readonly readout: string }>(
  source: Source,
): Source {
  readoutWidth(source.readout, tokenGrid(source.source.configuration), 1)
  return source
}
