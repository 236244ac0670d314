/** `videomae/video`: lists of videos, videos that arrive, preparation, decoders, clip sampling and crops, the loader. See docs/video.md. */
import './core/require-node.ts'

export type { PreparedSummary, PrepareOptions, PreparePlan } from './prepare/prepare.ts'
export { planPreparation, prepareVideos } from './prepare/prepare.ts'
export type { PrepareTrial } from './prepare/trial.ts'
export { tryPreparation } from './prepare/trial.ts'
export type { ArrivalOptions } from './video/arriving-videos.ts'
export { arrivingVideos } from './video/arriving-videos.ts'
export type { ClipAugmentation, RandAugmentOptions, RandomErasingOptions } from './video/augment/index.ts'
export type { ClipRequest, ClipResult, ClipView } from './video/clip.ts'
export { clipBytes, readClip } from './video/clip.ts'
export type { CropChoice } from './video/crop.ts'
export { chooseCrop } from './video/crop.ts'
export type { DecoderProbe } from './video/decoder.ts'
export { createDecoder, probeDecoders } from './video/decoder.ts'
export type { BadFile } from './video/epoch-order.ts'
export { videoExtensions } from './video/extensions.ts'
export type { UnusableItem } from './video/folder.ts'
export { classFolderWarnings } from './video/folder-source.ts'
export { IdleProcesses } from './video/idle-processes.ts'
export type { InspectedVideo, InspectOptions, InspectReport } from './video/inspect.ts'
export { inspectVideos } from './video/inspect.ts'
export type { LoadClipsOptions, LoadedVideo } from './video/load-clips.ts'
export { loadClips } from './video/load-clips.ts'
export type { LoadedWindows, LoadWindowsOptions } from './video/load-windows.ts'
export { loadWindows } from './video/load-windows.ts'
export type { LoadedBatch, LoadedSample, Loader, LoaderOptions, LoaderStats } from './video/loader.ts'
export { createLoader } from './video/loader.ts'
export type { ClipOutcome, ClipReader } from './video/pool.ts'
export type { RepeatedRow, SourceReading } from './video/reading.ts'
export { readingLines } from './video/reading.ts'
export type { ClipSampling } from './video/sampling.ts'
export { sampleClip } from './video/sampling.ts'
export type { ListOptions, VideoListing } from './video/source.ts'
export { listVideos, readVideos } from './video/source.ts'
export type {
  Decoder,
  DecoderLimits,
  DecoderName,
  DecodeStats,
  FrameTimes,
  Geometry,
  OpenVideo,
  Size,
  UnreadableVideo,
  VideoEntry,
  VideoInfo,
} from './video/types.ts'
export { isTransientFailure } from './video/video-errors.ts'
