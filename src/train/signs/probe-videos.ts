/** Clips of some of the videos of a run, on which signs of learning are measured. */
import { frameSizeOf } from '../../core/frame-size.ts'
import type { EngineSession } from '../../engine/engine.ts'
import { requireFiniteOutput, runClips } from '../../engine/run-clips.ts'
import type { Program } from '../../graph/program.ts'
import { frameSize, type ModelConfiguration } from '../../model/configuration.ts'
import { buildSignsProgram } from '../../model/signs-program.ts'
import { type LoadClipsOptions, loadClips } from '../../video/load-clips.ts'
import type { VideoEntry } from '../../video/types.ts'
import { type ClipTiming, positionsOf } from '../clip-timing.ts'
import { clipMovement, type Movement } from './flow.ts'
import { type LearningSigns, measureSigns } from './measure.ts'

/** Fewer videos than this say little: the standard error of a share would be above 0.06. Somebody who asks for fewer gets them. */
const fewestVideos = 64
/** Videos that can be read, below which nothing is measured. */
const fewestReadable = 8
/** Bytes of clips that are kept in memory. */
const keptBytes = 128 * 2 ** 20
/** A measurement may cost this share of the training between two checkpoints, in clips that go through the encoder. */
const shareOfTraining = 1 / 20

/**
 * How many videos to measure on.
 *
 * @param wanted what the configuration says
 * @param clipsBetween clips that are trained on from one measurement to the next
 * @returns 0 where too few are left
 */
export function probeCount(
  wanted: number,
  {
    videos,
    clipsBetween,
    clipBytes,
  }: { readonly videos: number; readonly clipsBetween: number; readonly clipBytes: number },
): number {
  // Each is encoded twice: forward and backward.
  const affordable = Math.floor((clipsBetween * shareOfTraining) / 2)
  const count = Math.min(wanted, videos, affordable, Math.floor(keptBytes / clipBytes))
  return count < Math.min(fewestVideos, wanted) || count < fewestReadable ? 0 : count
}

export interface VideoProbeOptions extends Pick<LoadClipsOptions, 'workers' | 'decoder' | 'timeoutSeconds' | 'signal'> {
  /** The videos of the run. */
  readonly entries: readonly VideoEntry[]
  /** How many of them, spread over the list; see `probeCount`. */
  readonly count: number
  readonly model: ModelConfiguration
  readonly timing: ClipTiming
}

/** A clip and the same clip backward: what one run of the program takes. */
const pair = 2
const signsProgram = 'signs'

/** What a session needs for measurements. */
export function signsProgramOf(model: ModelConfiguration): Program {
  return buildSignsProgram({ configuration: model, batch: pair, name: signsProgram })
}

interface Probe {
  /** uint8 [clips][T, H, W, 3] */
  readonly clips: readonly Uint8Array[]
  readonly movements: readonly Movement[]
}

/** The middle clips of some videos, decoded when they are first needed. */
export class ProbeVideos {
  private readonly options: VideoProbeOptions
  private probe: Probe | null = null

  constructor(options: VideoProbeOptions) {
    this.options = options
  }

  /**
   * @returns null where too few of the videos can be read
   * @throws VideoMaeError `OUTPUT_NOT_FINITE`, what the decoder and the engine throw; the signal's reason when aborted
   */
  async measure(session: EngineSession): Promise<(LearningSigns & { readonly videos: number }) | null> {
    this.probe ??= await this.load()
    const { clips, movements } = this.probe
    const count = clips.length
    if (count < fewestReadable) return null
    const { model } = this.options
    const width = model.encoder.width
    const mean = new Float32Array(count * width)
    const steps: Float32Array[] = []
    for (const [i, clip] of clips.entries()) {
      this.options.signal?.throwIfAborted()
      const found = await this.encode(session, [clip, backward(clip, model.frames)])
      mean.set(found.mean.subarray(0, width), i * width)
      steps.push(found.steps)
    }
    const stepsWidth = steps[0].length / 2
    const all = new Float32Array(2 * count * stepsWidth)
    for (const [i, both] of steps.entries()) all.set(both, 2 * i * stepsWidth)
    return { videos: count, ...measureSigns({ count, mean, width, steps: all, stepsWidth }, movements) }
  }

  private async encode(session: EngineSession, clips: readonly Uint8Array[]) {
    const clipBytes = clips[0].length
    const together = new Uint8Array(clips.length * clipBytes)
    for (const [i, clip] of clips.entries()) together.set(clip, i * clipBytes)
    const found = await runClips({ session, program: signsProgram, batch: pair, clipBytes }, together, [
      'mean',
      'steps',
    ])
    requireFiniteOutput('features', found.steps)
    return found
  }

  private async load(): Promise<Probe> {
    const { entries, count, model, timing, workers, decoder, timeoutSeconds, signal } = this.options
    const spread = Array.from({ length: count }, (_, i) => entries[Math.floor((i * entries.length) / count)])
    const { frames } = model
    const size = frameSizeOf(frameSize(model))
    const clips: Uint8Array[] = []
    const view = { kind: 'dense-view', frames, ...positionsOf(timing), view: 0, views: 1 } as const
    const loading = { entries: spread, samplings: [view], size, workers, decoder, timeoutSeconds, signal }
    // What cannot be read is told where the run itself comes to it.
    for await (const loaded of loadClips(loading)) if (loaded.ok) clips.push(loaded.clips)
    return { clips, movements: clips.map((clip) => clipMovement(clip, frames, size.height, size.width)) }
  }
}

/** The frames in reverse order. */
function backward(clip: Uint8Array, frames: number): Uint8Array {
  const bytes = clip.length / frames
  const reversed = new Uint8Array(clip.length)
  for (let t = 0; t < frames; t++) reversed.set(clip.subarray(t * bytes, (t + 1) * bytes), (frames - 1 - t) * bytes)
  return reversed
}
