/** An encoder as an object: opened once, it makes features of videos until it is closed. */
import { VideoMaeError } from '../core/errors.ts'
import { Turns } from '../core/turns.ts'
import { IdleProcesses } from '../video/idle-processes.ts'
import type { VideoEntry } from '../video/types.ts'
import { type EncoderWeights, featureProgram, readEncoder } from './encoder-source.ts'
import { KeptFeatureSession } from './feature-session.ts'
import { type ComputedFeatures, computePlanned, type FeatureOptions, planFeatures } from './features.ts'
import { type WriteFeaturesOptions, type WrittenFeatures, writeFeatures } from './write-features.ts'

/** An encoder that was opened: its weights, and what it does. Close it at the end. */
export interface EncoderSource extends EncoderWeights {
  /** SHA-256 of the weights and the architecture, as 64 hex digits: `encoder` of features of kind `pooled`. */
  readonly digest: string
  /**
   * `computeFeatures` with this encoder. Calls that ask for the same features share an engine and decoding processes; a call that
   * comes during another one waits for it.
   *
   * @throws VideoMaeError as `computeFeatures`; `ENGINE_CLOSED` after `close`
   */
  features<Video extends VideoEntry & { readonly digest?: string | null }>(
    videos: readonly Video[],
    options: FeatureOptions,
  ): Promise<ComputedFeatures<Video>>
  /**
   * Computes the features of videos, of all videos in folders and of those that lists name, and writes them as `features.npy`,
   * `features.safetensors` and `index.json`.
   *
   * @throws VideoMaeError `OUTPUT_TAKEN`, `VIDEO_UNREADABLE` where no video is readable, and as `computeFeatures`; `ENGINE_CLOSED` after `close`
   */
  writeFeatures(data: readonly string[], options: Omit<WriteFeaturesOptions, 'ranks'>): Promise<WrittenFeatures>
  /** Waits for calls under way, and ends the engine and the decoding processes. Calling it again does nothing. */
  close(): Promise<void>
}

/**
 * Opens the encoder of a checkpoint, a run folder or a Hugging Face directory, of whatever kind.
 *
 * @throws VideoMaeError as `openCheckpoint`
 *
 * @example
 * ```ts
 * import { openEncoder } from 'videomae'
 *
 * const encoder = await openEncoder('checkpoints/encoder')
 * const { videos } = await encoder.writeFeatures(['videos/left'], { out: 'features' })
 * await encoder.close()
 * videos // => 6
 * ```
 */
export async function openEncoder(from: string): Promise<EncoderSource> {
  const weights = await readEncoder(from)
  const sessions = new KeptFeatureSession()
  const processes = new IdleProcesses()
  const turns = new Turns()
  let [digest, closed] = ['', false]
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (closed) throw alreadyClosed(from)
    return turns.run(work)
  }
  return {
    ...weights,
    get digest() {
      digest ||= featureProgram(weights, 'pooled', 1).digest
      return digest
    },
    async features(videos, options) {
      const own = { processes, ...options }
      return inTurn(async () => computePlanned(await planFeatures(weights, own), videos, own, sessions.open))
    },
    async writeFeatures(data, options) {
      return inTurn(async () => (await writeFeatures(() => weights, data, { processes, ...options }, sessions.open))!)
    },
    async close() {
      closed = true
      await turns.ended()
      await sessions.close()
      await processes.close()
    },
  }
}

function alreadyClosed(from: string): VideoMaeError {
  return new VideoMaeError(`Expected an open encoder, but that of ${from} was closed.`, {
    code: 'ENGINE_CLOSED',
    hint: 'Call close after the last call of features, or open the encoder again.',
  })
}
