import { invalidArgument } from '../core/errors.ts'
import { type FrameSize, frameSizeOf } from '../core/frame-size.ts'
import { type ClipRequest, type ClipView, clipBytes } from './clip.ts'
import type { CropChoice } from './crop.ts'
import type { IdleProcesses } from './idle-processes.ts'
import { type ClipOutcome, DecodePool } from './pool.ts'
import type { ClipSampling } from './sampling.ts'
import type { DecoderLimits, DecoderName, UnreadableVideo, VideoEntry } from './types.ts'

/** Which views of which videos are read. */
export interface LoadClipsOptions {
  /** Videos, or parts of videos. */
  readonly entries: readonly VideoEntry[]
  /** Temporal views of every video; each is combined with every crop. All must have the same number of frames. */
  readonly samplings: readonly ClipSampling[]
  /** Spatial views. Default: the center. */
  readonly crops?: readonly CropChoice[]
  /** Height and width of the clips, in pixels; one number for both. */
  readonly size: number | FrameSize
  /** For samplings with a random start. Default 0. */
  readonly seed?: number
  /** Decoding processes; no more than there are views to decode. Default: one per core. */
  readonly workers?: number
  /** Videos decoded ahead. Default: twice the number of workers, at least 4. */
  readonly prefetch?: number
  /** Processor seconds one view of one file may take; four times as many when it is tried again. Default 60. */
  readonly timeoutSeconds?: number
  /** What decodes videos. Default `node-av`. */
  readonly decoder?: DecoderName
  /** What a decoder may take. */
  readonly limits?: DecoderLimits
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
}

/** The clips of one video, or why it could not be read. */
export type LoadedVideo = {
  /** Index into the entries. */
  readonly index: number
  /** The video, or the part of one. */
  readonly entry: VideoEntry
} & (
  | {
      /** Tells it from a video that could not be read. */
      readonly ok: true
      /** uint8 [samplings x crops][frames][height][width][3], RGB; the crops of one sampling are side by side. */
      readonly clips: Uint8Array
      /** How each clip was made. */
      readonly views: readonly ClipView[]
    }
  | UnreadableVideo
)

/** Videos that are decoded ahead of the one that is used, each with all of its clips. */
export function videosAhead(workers: number): number {
  return Math.max(4, 2 * workers)
}

/**
 * Fixed views of every video, in the order of the entries, for evaluation, feature extraction and reconstructions. A video that fails takes its place as a failure;
 * nothing replaces it. The decoding processes end with the iteration.
 *
 * @throws VideoMaeError `DECODER_MISSING`, `DECODER_RESOURCES`; the signal's reason when aborted
 */
export async function* loadClips(options: LoadClipsOptions): AsyncGenerator<LoadedVideo, void, undefined> {
  const { entries, samplings, size, seed = 0, crops = [{ kind: 'center' }] } = options
  if (samplings.length === 0) throw invalidArgument('samplings', 'at least one sampling', samplings.length)
  if (samplings.some(({ frames }) => frames !== samplings[0].frames)) {
    throw invalidArgument(
      'samplings',
      'the same number of frames in all samplings',
      samplings.map((s) => s.frames).join(', '),
    )
  }
  const requestOf = (index: number, sampling: ClipSampling): ClipRequest => ({
    entry: entries[index],
    sampling,
    crops,
    output: frameSizeOf(size),
    key: [seed, 0, index],
  })
  if (entries.length === 0) return
  const viewBytes = clipBytes(requestOf(0, samplings[0]))
  const pool = new DecodePool({
    decoder: options.decoder ?? 'node-av',
    limits: options.limits ?? {},
    workers: options.workers,
    timeoutSeconds: options.timeoutSeconds,
    slotBytes: viewBytes,
    growing: true,
    signal: options.signal,
    processes: options.processes,
    mostRequests: entries.length * samplings.length,
  })

  const begin = (index: number): { clips: Uint8Array; outcomes: Promise<ClipOutcome[]> } => {
    const clips = new Uint8Array(viewBytes * samplings.length)
    const outcomes = Promise.all(
      samplings.map((sampling, v) =>
        pool.read(requestOf(index, sampling), clips.subarray(v * viewBytes, (v + 1) * viewBytes)),
      ),
    )
    outcomes.catch(() => undefined) // Reported where it is awaited.
    return { clips, outcomes }
  }
  try {
    const ahead = options.prefetch ?? videosAhead(pool.size)
    const begun: ReturnType<typeof begin>[] = []
    for (let index = 0; index < entries.length; index++) {
      while (begun.length <= ahead && index + begun.length < entries.length) begun.push(begin(index + begun.length))
      const { clips, outcomes } = begun.shift()!
      const settled = await outcomes
      const failed = settled.find((outcome) => !outcome.ok)
      const entry = entries[index]
      if (failed !== undefined && !failed.ok) {
        yield { index, entry, ok: false, code: failed.failure.code, reason: failed.failure.reason }
      } else {
        const views = settled.flatMap((outcome) => (outcome.ok ? outcome.result.views : []))
        yield { index, entry, ok: true, clips, views }
      }
    }
  } finally {
    await pool.close()
  }
}
