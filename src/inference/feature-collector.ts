import type { FeatureStore, FeatureView } from './feature-store.ts'

export interface ViewBatch {
  readonly clips: Uint8Array
  readonly views: readonly FeatureView[]
  /** Whether these are the last views of their video. */
  readonly last: boolean
}

/** Runs whose clips are gathered at most before they are run. */
const runsGathered = 4

/** Most clips that are gathered, where each video has so many views. */
export function gatheredClips(batch: number, views: number): number {
  return views % batch === 0 ? views : runsGathered * batch - 1 + views
}

/** Gathers clips of several videos into whole runs, and rows of one video into one entry of the store. */
export class FeatureCollector {
  private readonly store: FeatureStore
  private readonly run: (clips: Uint8Array) => Promise<Float32Array>
  private readonly batch: number
  private waiting: (ViewBatch & { readonly digest: string })[] = []
  private readonly rows = new Map<string, { views: FeatureView[]; parts: Float32Array[] }>()

  constructor(store: FeatureStore, run: (clips: Uint8Array) => Promise<Float32Array>, batch: number) {
    this.store = store
    this.run = run
    this.batch = batch
  }

  async add(digest: string, views: ViewBatch): Promise<void> {
    this.waiting.push({ digest, clips: views.clips, views: views.views, last: views.last })
    const count = this.waiting.reduce((sum, item) => sum + item.views.length, 0)
    if (count % this.batch === 0 || count >= runsGathered * this.batch) await this.flush()
  }

  /** A video of which a later window failed has no features. */
  drop(digest: string): void {
    this.waiting = this.waiting.filter((item) => item.digest !== digest)
    this.rows.delete(digest)
  }

  async flush(): Promise<void> {
    const waiting = this.waiting.splice(0)
    if (waiting.length === 0) return
    const features = await this.run(Buffer.concat(waiting.map(({ clips }) => clips)))
    let from = 0
    for (const { digest, views, last } of waiting) {
      const until = from + views.length * this.store.width
      const video = this.rows.get(digest) ?? { views: [], parts: [] }
      this.rows.set(digest, video)
      video.views.push(...views)
      video.parts.push(features.slice(from, until))
      from = until
      if (!last) continue
      this.rows.delete(digest)
      await this.store.append({ digest, views: video.views }, joined(video.parts))
    }
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
