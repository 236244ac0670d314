/** Features of new videos, made as `certify` made those of its inputs: each clip alone in its run, then the mean over the clips. */

import type { EngineOptions } from '../../../engine/engine.ts'
import { bytesOfWeights, featureProgram } from '../../../inference/encoder-source.ts'
import { openFeatureSession } from '../../../inference/feature-session.ts'
import { clipRunNeed, type GivenClips, requireClipRunMemory } from '../../../inference/memory.ts'
import { temporalViews } from '../../../inference/views.ts'
import { chooseEngine } from '../../../train/engine-choice.ts'
import type { IdleProcesses } from '../../../video/idle-processes.ts'
import { loadClips } from '../../../video/load-clips.ts'
import type { DecoderName, VideoEntry } from '../../../video/types.ts'
import type { FeatureSource } from '../feature-source.ts'
import { meanRow } from '../input-row.ts'
import { pixelRow } from '../pixels.ts'
import type { EnsembleEncoder } from './description.ts'

/** An encoder that is open, with the clips that it reads. */
export interface RowSource {
  readonly clip: Pick<EnsembleEncoder, 'frames' | 'size' | 'sampling'>
  /** @param clip uint8 [T, H, W, 3] @returns [width] */
  row(clip: Uint8Array): Promise<Float32Array>
  close(): Promise<void>
}

export interface RowSourceOptions extends Pick<EngineOptions, 'threads'> {
  readonly engine: string | null
  readonly given?: GivenClips
}

/**
 * @param given the clips that it will be given, if it is given videos
 * @throws VideoMaeError `OUT_OF_MEMORY` where they do not fit, and what choosing an engine and opening a session throw
 */
export async function openRowSource(
  source: FeatureSource,
  { frames, size, sampling }: EnsembleEncoder,
  { engine, threads, given }: RowSourceOptions,
): Promise<RowSource> {
  const clip = { frames, size, sampling }
  if (source.kind === 'pixels')
    return { clip, row: (bytes) => Promise.resolve(pixelRow(source, bytes)), close: () => Promise.resolve() }
  const chosen = await chooseEngine(engine)
  const run = { batch: 1, clipBytes: frames * size.height * size.width * 3 }
  const readout = source.kind === 'scratch' ? undefined : source.readout
  const program = featureProgram(source.source, 'pooled', 1, readout)
  if (given !== undefined) {
    const clips = { ...given, clipBytes: run.clipBytes, gathered: 1 }
    const weights = bytesOfWeights(source.source)
    requireClipRunMemory(clipRunNeed({ engine: chosen.name, program: program.program, weights, clips }))
  }
  const session = await openFeatureSession(chosen, program, run, { threads })
  return { clip, row: (bytes) => session.features(bytes), close: () => session.close() }
}

/** Why a video has no features. */
export interface RowFailure {
  readonly code: string
  readonly reason: string
}

/**
 * Decodes each video once for all encoders that read the same clips.
 *
 * @returns [videos] the rows of all encoders, or why there are none
 * @throws VideoMaeError `OUTPUT_NOT_FINITE`, `DECODER_MISSING`; the signal's reason when aborted
 */
export async function rowsOfVideos(
  encoders: readonly RowSource[],
  entries: readonly VideoEntry[],
  options: {
    /** Of each video. */
    readonly clips: number
    readonly decoder: DecoderName
    readonly workers?: number
    readonly timeoutSeconds?: number
    readonly processes?: IdleProcesses
    readonly signal?: AbortSignal
    readonly onProgress?: (done: number, total: number) => void
  },
): Promise<(readonly Float32Array[] | RowFailure)[]> {
  const { onProgress, clips, ...loading } = options
  const kinds = new Map<string, number[]>()
  for (const [e, { clip }] of encoders.entries()) {
    const kind = JSON.stringify([clip.frames, clip.size.height, clip.size.width, clip.size.resize, clip.sampling])
    kinds.set(kind, [...(kinds.get(kind) ?? []), e])
  }
  const rows = entries.map((): Float32Array[] => [])
  const failures = new Map<number, RowFailure>()
  let done = 0
  for (const members of kinds.values()) {
    const { frames, size, sampling } = encoders[members[0]].clip
    const samplings = temporalViews(sampling, frames, clips)
    for await (const loaded of loadClips({ ...loading, entries, samplings, size })) {
      loading.signal?.throwIfAborted()
      const { index } = loaded
      if (loaded.ok) for (const e of members) rows[index][e] = await meanOfClips(encoders[e], loaded.clips)
      else failures.set(index, { code: loaded.code, reason: loaded.reason })
      onProgress?.(++done, entries.length * kinds.size)
    }
  }
  return rows.map((row, index) => failures.get(index) ?? row)
}

/** @param clips uint8 [n][T, H, W, 3], one behind the other @returns [width] the mean over them */
export async function meanOfClips(encoder: RowSource, clips: Uint8Array): Promise<Float32Array> {
  const { frames, size } = encoder.clip
  const bytes = frames * size.height * size.width * 3
  const rows: Float32Array[] = []
  for (let from = 0; from < clips.length; from += bytes)
    rows.push(await encoder.row(clips.subarray(from, from + bytes)))
  return meanRow(rows)
}
