import { createHash } from 'node:crypto'
import { FeatureStore } from '../finetune/feature-store.ts'
import { spatialViews, temporalViews } from '../finetune/views.ts'
import { type DecoderName, loadClips, type VideoEntry } from '../video/index.ts'
import type { FeatureSource } from './feature-source.ts'

export interface PixelOptions {
  readonly cache: string
  readonly clips?: number
  readonly workers?: number
  readonly decoder?: DecoderName
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** The colours of small clips, from -1 to 1: what a head reads that has no encoder. Kept like features. */
export async function computePixels<Video extends VideoEntry & { readonly digest: string | null }>(
  source: Extract<FeatureSource, { kind: 'pixels' }>,
  videos: readonly Video[],
  { cache, clips = 1, workers, decoder, signal, onProgress }: PixelOptions,
) {
  const { size, frames, sampling } = source
  const key = { encoder: 'pixels', views: { clips, crops: 1, sampling }, frames, size }
  const id = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)
  const store = await FeatureStore.open(cache, id, key, frames * size * size * 3)
  const known = videos.flatMap((video) => (video.digest === null ? [] : [{ video, digest: video.digest }]))
  const missing = [...new Map(known.filter(({ digest }) => !store.has(digest)).map((v) => [v.digest, v])).values()]
  const failures = videos.flatMap(({ digest, id: name, path }) =>
    digest === null ? [{ id: name, code: 'VIDEO_UNREADABLE', reason: `${path} cannot be read` }] : [],
  )
  let done = videos.length - missing.length
  const entries = missing.map(({ video }) => video)
  const samplings = temporalViews(sampling, frames, clips)
  for await (const loaded of loadClips({
    entries,
    samplings,
    crops: spatialViews(1),
    size,
    workers,
    decoder,
    signal,
  })) {
    if (loaded.ok) {
      const views = loaded.views.map(({ frames: shown, startSeconds }, clip) => {
        const [firstFrame, lastFrame] = [shown[0], shown[shown.length - 1]]
        return { clip, crop: 0, startSeconds, firstFrame, lastFrame }
      })
      await store.append(
        { digest: missing[loaded.index].digest, views },
        Float32Array.from(loaded.clips, (value) => value / 127.5 - 1),
      )
    } else failures.push({ id: loaded.entry.id, code: loaded.code, reason: loaded.reason })
    onProgress?.(++done, videos.length)
  }
  return { store, videos: known.filter(({ digest }) => store.has(digest)), failures }
}
