/** Video in: lists of videos, decoders, clip sampling and crops, the loader. See docs/video.md. */
export type { ClipAugmentation, RandAugmentOptions, RandomErasingOptions } from './augment/index.ts'
export type { ClipRequest, ClipResult, ClipView } from './clip.ts'
export { clipBytes, readClip } from './clip.ts'
export type { CropChoice } from './crop.ts'
export { chooseCrop } from './crop.ts'
export type { DecoderProbe } from './decoder.ts'
export { createDecoder, probeDecoders } from './decoder.ts'
export type { BadFile } from './epoch-order.ts'
export { videoExtensions } from './extensions.ts'
export type { UnusableItem } from './folder.ts'
export { classFolderWarnings } from './folder-source.ts'
export type { InspectedVideo, InspectOptions, InspectReport } from './inspect.ts'
export { inspectVideos } from './inspect.ts'
export type { LoadClipsOptions, LoadedVideo } from './load-clips.ts'
export { loadClips } from './load-clips.ts'
export type { LoadedWindows, LoadWindowsOptions } from './load-windows.ts'
export { loadWindows } from './load-windows.ts'
export type { LoadedBatch, LoadedSample, Loader, LoaderOptions, LoaderStats } from './loader.ts'
export { createLoader } from './loader.ts'
export type { ClipOutcome, ClipReader } from './pool.ts'
export type { RepeatedRow, SourceReading } from './reading.ts'
export { readingLines } from './reading.ts'
export type { ClipSampling } from './sampling.ts'
export { sampleClip } from './sampling.ts'
export type { ListOptions, VideoListing } from './source.ts'
export { listVideos, readVideos } from './source.ts'
export type {
  Decoder,
  DecoderLimits,
  DecoderName,
  DecodeStats,
  FrameTimes,
  Geometry,
  OpenVideo,
  Size,
  VideoEntry,
  VideoInfo,
} from './types.ts'
export { isTransientFailure } from './video-errors.ts'
