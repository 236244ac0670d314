import type { ModelConfiguration } from '../model/configuration.ts'
import type { MemoryNeed } from './memory-need.ts'

/** What a run is, before its first step. */
export interface RunStart {
  /** That it trains on. */
  readonly videos: number
  /** Of a classifier. */
  readonly classes?: number
  /** Of a head on frozen features: its mode, and the clips whose features it and its test need. Mode `ridge` has no steps. */
  readonly head?: { readonly mode: 'linear' | 'attentive' | 'ridge'; readonly features: number }
  /** Optimizer steps, and clips shown to the model, repeats included, of the whole run. */
  readonly steps: number
  readonly clips: number
  readonly clipsPerRun: number
  readonly runsPerStep: number
  /** Ranks that train together: `clipsPerRun` and `runsPerStep` are those of each. Absent or 1: one process. */
  readonly ranks?: number
  /** Sizes, in words. */
  readonly model: string
  readonly parameters: number
  readonly engine: string
  readonly threads: number
  readonly folder: string
  readonly memory: MemoryNeed
}

/** `width 384, depth 12, 6 heads; 16 frames of 224 x 224`. */
export function describeModel({ encoder, frames, imageSize }: ModelConfiguration): string {
  return `width ${encoder.width}, depth ${encoder.depth}, ${encoder.heads} heads; ${frames} frames of ${imageSize.join(' x ')}`
}

/** Fewer clips per run that give the same steps, largest first: divisors of the batch that hold whole videos. */
export function smallerRuns(clipsPerRun: number, batch: number, samplesPerClip: number): number[] {
  const found: number[] = []
  for (let clips = clipsPerRun - 1; clips >= samplesPerClip; clips--) {
    if (batch % clips === 0 && clips % samplesPerClip === 0) found.push(clips)
  }
  return found
}
