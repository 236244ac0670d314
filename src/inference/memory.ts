/** Whether predictions and features fit into memory, before an engine is opened and before a video is decoded. */
import { availableParallelism } from 'node:os'
import { availableMemory } from '../core/available-memory.ts'
import type { EstimateOptions } from '../engine/memory-estimate.ts'
import type { Program } from '../graph/program.ts'
import { frameSize } from '../model/configuration.ts'
import { decodingBytes, type MemoryNeed, programBytes, programsNeed, requireMemory } from '../train/memory-need.ts'
import { videosAhead } from '../video/load-clips.ts'

/** The clips that a run is given. */
export interface GivenClips {
  /** Clips of each video; all of them are in memory together. */
  readonly views: number
  /** Default: any number. */
  readonly videos?: number
  /** Decoding processes. Default: one per core. */
  readonly workers?: number
  /** Videos that are decoded ahead. Default: as `loadClips` has it. */
  readonly ahead?: number
  /** Programs on this machine that do the same next to this one, and this one. Default 1. */
  readonly programs?: number
}

/** What is in memory of the clips that are on their way to an engine. */
export interface ClipsOnTheWay extends GivenClips {
  readonly clipBytes: number
  /** Most clips that are gathered before the engine gets them. They are there twice: of each video, and joined. */
  readonly gathered: number
}

/** @returns bytes of the pixels of one clip, uint8 [frames, height, width, 3] */
export function clipBytesOf(configuration: Parameters<typeof frameSize>[0] & { readonly frames: number }): number {
  const { height, width } = frameSize(configuration)
  return configuration.frames * height * width * 3
}

/** @returns bytes */
export function bytesOnTheWay({
  views,
  videos = Infinity,
  workers,
  ahead,
  clipBytes,
  gathered,
}: ClipsOnTheWay): number {
  const all = videos * views
  const decoded = (ahead ?? videosAhead(workers ?? availableParallelism())) * views
  return clipBytes * (Math.min(all, decoded) + 2 * Math.min(all, gathered))
}

/** A program that clips are given to. */
export interface ClipRunQuestion {
  readonly engine: string
  readonly options?: EstimateOptions
  readonly program: Program
  /** Bytes of weights that are held outside of the engine. */
  readonly weights: number
  readonly clips: ClipsOnTheWay
}

/** What a program, its weights, and the clips on their way to it need. */
export function clipRunNeed({ engine, options, program, weights, clips }: ClipRunQuestion): MemoryNeed {
  return programsNeed({
    ...{ engine, options, programs: [program], saving: weights, workers: processesFor(clips) },
    data: bytesOnTheWay(clips),
    available: partOfMemory(clips),
  })
}

/** What a file that ONNX Runtime runs needs. What its operations take is not known, only that the largest batch is there in float32. */
export function exportedRunNeed(weights: number, batch: number, clips: ClipsOnTheWay): MemoryNeed {
  const { views, videos = Infinity, clipBytes, gathered } = clips
  const parts = {
    state: weights,
    workspace: 4 * clipBytes * Math.min(batch, gathered, videos * views),
    saving: weights, // as they are read from the file
    data: processesFor(clips) * decodingBytes + bytesOnTheWay(clips),
    program: programBytes('onnx'),
  }
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0)
  return { ...parts, total, available: partOfMemory(clips) }
}

const processesFor = ({ views, videos = Infinity, workers = availableParallelism() }: GivenClips): number =>
  Math.min(workers, videos * views)

const partOfMemory = ({ programs = 1 }: GivenClips): number => Math.floor(availableMemory() / programs)

/**
 * Refuses a run on clips that does not fit.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers
 */
export function requireClipRunMemory(need: MemoryNeed): void {
  requireMemory(
    need,
    () =>
      'Use a smaller batch, fewer clips, crops or decoding processes (workers), a smaller model, or a machine with more memory.',
  )
}
