import { temporalViews } from '../../inference/views.ts'
import type { VideoEntry } from '../../video/types.ts'
import { type ClipStoreOptions, storeClips } from './clip-store.ts'
import type { FeatureSource } from './feature-source.ts'

/** The values of a clip, uint8 [frames, size, size, 3], from -1 to 1. */
export function pixelRow(clip: Uint8Array): Float32Array {
  return Float32Array.from(clip, (value) => value / 127.5 - 1)
}

/**
 * The colors of small clips, from -1 to 1: what a head reads that has no encoder. Kept like features.
 *
 * @param options `clips`: temporal views of each video, default 1, the middle
 */
export function computePixels<Video extends VideoEntry & { readonly digest: string | null }>(
  { size, frames, sampling }: Extract<FeatureSource, { kind: 'pixels' }>,
  videos: readonly Video[],
  { clips = 1, ...options }: ClipStoreOptions & { readonly clips?: number },
) {
  const kind = {
    key: { encoder: 'pixels', views: { clips, crops: 1, sampling }, frames, size },
    samplings: temporalViews(sampling, frames, clips),
    size,
    width: frames * size * size * 3,
    rowOf: pixelRow,
  }
  return storeClips(videos, kind, options)
}
