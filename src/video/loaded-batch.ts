import type { FileState } from '../format/regular-file.ts'
import type { ClipView } from './clip.ts'
import type { VideoEntry } from './types.ts'

/** Where one clip of a batch comes from. */
export interface LoadedSample extends ClipView {
  /** Index into the loader's entries. */
  readonly index: number
  /** The video, or the part of one. */
  readonly entry: VideoEntry
  /** Pass over the data, from 0. */
  readonly epoch: number
  /** Which of the `samplesPerClip` crops. */
  readonly copy: number
  /** State of the file that was decoded; absent where the reader has no files. */
  readonly state?: FileState
}

/** Clips of one training step. */
export interface LoadedBatch {
  /** Number of the batch that it is, or that its first clip is of where ranks share it, from 0. */
  readonly step: number
  /** Epoch of its first sample. */
  readonly epoch: number
  /** uint8 [batchSize][frames][height][width][3], RGB, in shared memory. The copies of one video are side by side. */
  readonly clips: Uint8Array
  /** Where each clip is from. */
  readonly samples: readonly LoadedSample[]
  /** Gives the memory of `clips` back for a later batch: call it when nothing reads them any more. A batch that is not given back keeps its memory. */
  release(): void
}
