import { type AugmentationKind, augmentationKey, planAugmentation } from '../../inference/augmentation.ts'
import { temporalViews } from '../../inference/views.ts'
import type { VideoEntry } from '../../video/types.ts'
import { type ClipStoreOptions, storeClips } from './clip-store.ts'
import type { FeatureSource } from './feature-source.ts'
import { hogRow, hogWidth } from './hog.ts'

type PixelSource = Extract<FeatureSource, { kind: 'pixels' }>

/** Values of a row of `pixelRow`. */
export function pixelWidth({ size, frames, readout }: PixelSource): number {
  return readout === null ? frames * size * size * 3 : hogWidth(readout, size)
}

/** What a head reads of a clip, uint8 [frames, size, size, 3]: all its values, from -1 to 1, or its gradients. */
export function pixelRow({ size, readout }: Pick<PixelSource, 'size' | 'readout'>, clip: Uint8Array): Float32Array {
  if (readout !== null) return hogRow(readout, clip, size)
  return Float32Array.from(clip, (value) => value / 127.5 - 1)
}

/**
 * What heads read that have no encoder, see `pixelRow`. Kept like features.
 *
 * @param options `clips`: temporal views of each video, default 1, the middle; `augment`: further clips of each
 */
export function computePixels<Video extends VideoEntry & { readonly digest: string | null }>(
  source: PixelSource,
  videos: readonly Video[],
  {
    clips = 1,
    augment,
    ...options
  }: ClipStoreOptions & { readonly clips?: number; readonly augment?: readonly AugmentationKind[] },
) {
  const { size, frames, sampling, readout } = source
  const augmentation = augment === undefined ? null : planAugmentation(augment, sampling, frames)
  const more = {
    ...(readout === null ? {} : { readout }),
    ...(augmentation === null ? {} : { augment: augmentationKey(augmentation) }),
  }
  const kind = {
    key: { encoder: 'pixels', views: { clips, crops: 1, sampling }, frames, size, ...more },
    samplings: augmentation?.samplings ?? temporalViews(sampling, frames, clips),
    augmentation,
    size,
    width: pixelWidth(source),
    rowOf: (clip: Uint8Array) => pixelRow(source, clip),
  }
  return storeClips(videos, kind, options)
}
