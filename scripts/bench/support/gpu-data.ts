import { runSchema } from '../../../src/train/configuration.ts'
import { listSources, openPretrainData, type PretrainData } from '../../../src/train/pretrain-data.ts'
import { type ResolvedRun, resolveRun } from '../../../src/train/resolve.ts'

export interface RealDataOptions {
  readonly folder: string
  readonly preset: string
  readonly resolution: number
  readonly batch: number
  readonly samplesPerClip: number
  readonly workers?: number
}

/** Clips and masks from video files, by the loader that training uses. */
export function openRealData(options: RealDataOptions): { readonly data: PretrainData; readonly run: ResolvedRun } {
  const { folder, preset, resolution, batch, samplesPerClip, workers } = options
  const configuration = runSchema.parse({
    data: { path: folder, samplesPerClip, workers: workers ?? null },
    model: { preset, resolution },
    batch: { size: batch, perRun: batch },
  })
  const entries = listSources([folder])
  const run = resolveRun(configuration, { videos: entries.length })
  const onBadFile = (file: { readonly path: string }): void => console.error(`unreadable: ${file.path}`)
  return { run, data: openPretrainData({ entries, run, done: 0, knownBad: [], onBadFile }) }
}
