/** Decoded clips, kept like features: each video is read once, whatever asks for it later. */

import { createHash } from 'node:crypto'
import { type FrameSize, frameSizeOf } from '../../core/frame-size.ts'
import { type AugmentationPlan, augmentedClips } from '../../inference/augmentation.ts'
import { FeatureStore } from '../../inference/feature-store.ts'
import type { IdleProcesses } from '../../video/idle-processes.ts'
import { loadClips } from '../../video/load-clips.ts'
import type { ClipSampling } from '../../video/sampling.ts'
import type { DecoderName, VideoEntry } from '../../video/types.ts'

export interface ClipStoreOptions {
  /** Folder of the store. */
  readonly cache: string
  readonly workers?: number
  readonly decoder?: DecoderName
  /** Only number `index` of every `count` videos: a cluster job. */
  readonly shard?: { readonly index: number; readonly count: number } | null
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface ClipKind {
  /** What the stored rows depend on next to the content: plain JSON. */
  readonly key: Readonly<Record<string, unknown>>
  /** One clip each, all of the same number of frames; the middle of the picture, without augmentation. */
  readonly samplings: readonly ClipSampling[]
  /** Clips that are made of these; its samplings are those above. Default: none. */
  readonly augmentation?: AugmentationPlan | null
  /** Height and width of a clip, pixels; one number for both. */
  readonly size: number | FrameSize
  /** float32 values that are stored of one clip. */
  readonly width: number
  /** @param clip uint8 [frames, height, width, 3] @returns [width] */
  readonly rowOf: (clip: Uint8Array) => Float32Array
}

/** @returns the store, the videos that are in it, and those that cannot be read */
export async function storeClips<Video extends VideoEntry & { readonly digest: string | null }>(
  all: readonly Video[],
  { key, samplings, augmentation = null, size, width, rowOf }: ClipKind,
  { cache, workers, decoder = 'node-av', shard = null, processes, signal, onProgress }: ClipStoreOptions,
) {
  const videos = shard === null ? all : all.filter((_, i) => i % shard.count === shard.index)
  const whole = { ...key, decoder } // another decoder may give other colors
  const id = createHash('sha256').update(JSON.stringify(whole)).digest('hex').slice(0, 16)
  const store = await FeatureStore.open(cache, id, whole, width)
  const known = videos.flatMap((video) => (video.digest === null ? [] : [{ video, digest: video.digest }]))
  const missing = [...new Map(known.filter(({ digest }) => !store.has(digest)).map((v) => [v.digest, v])).values()]
  const failures = videos.flatMap((video) =>
    video.digest === null
      ? [{ id: video.id, code: 'VIDEO_UNREADABLE', reason: `${video.path} cannot be read`, video }]
      : [],
  )
  let done = videos.length - missing.length
  const entries = missing.map(({ video }) => video)
  const crops = augmentation?.crops
  for await (const loaded of loadClips({ entries, samplings, crops, size, workers, decoder, processes, signal })) {
    if (loaded.ok) {
      const made = augmentation === null ? loaded : augmentedClips(augmentation, loaded, frameSizeOf(size))
      const views = made.views.map(({ frames, startSeconds }, clip) => {
        const [firstFrame, lastFrame] = [frames[0], frames[frames.length - 1]]
        return { clip, crop: 0, startSeconds, firstFrame, lastFrame }
      })
      const bytes = made.clips.length / views.length
      const rows = new Float32Array(views.length * width)
      for (const { clip } of views) rows.set(rowOf(made.clips.subarray(clip * bytes, (clip + 1) * bytes)), clip * width)
      await store.append({ digest: missing[loaded.index].digest, views }, rows)
    } else {
      // Its copies cannot be read either.
      for (const { video } of known.filter(({ digest }) => digest === missing[loaded.index].digest))
        failures.push({ id: video.id, code: loaded.code, reason: loaded.reason, video })
    }
    onProgress?.(++done, videos.length)
  }
  return { store, videos: known.filter(({ digest }) => store.has(digest)), failures }
}
