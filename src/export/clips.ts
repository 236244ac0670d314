import { VideoMaeError } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'
import { readSampling } from '../inference/classifier.ts'
import { temporalViews } from '../inference/views.ts'
import { frameSize, type ModelConfiguration } from '../model/configuration.ts'
import { renderMotionClip } from '../synthetic/motion.ts'
import { openCheckpoint } from '../train/open-checkpoint.ts'
import { loadClips } from '../video/load-clips.ts'

/**
 * Clips to compare an exported file on: the middle clip of a video, or two generated ones where none is given.
 *
 * @returns uint8 [n][T, H, W, 3]
 */
export async function clipsForCheck(
  checkpoint: string,
  video: string | undefined,
  random: RandomStream,
): Promise<Uint8Array> {
  const { configuration, clip, path } = await openCheckpoint(checkpoint)
  const { frames } = configuration
  if (video === undefined) return clipsOfTwoMotions(configuration, random)
  const samplings = temporalViews(await readSampling(path, clip), frames, 1)
  for await (const loaded of loadClips({
    entries: [{ path: video, id: video }],
    samplings,
    size: frameSize(configuration),
    workers: 1,
  })) {
    if (!loaded.ok) throw new VideoMaeError(loaded.reason, { code: loaded.code, exit: 'data' })
    return loaded.clips
  }
  throw new VideoMaeError(`The video ${video} yielded no clip.`, { code: 'VIDEO_UNREADABLE', exit: 'data' })
}

/** Two generated clips, uint8 [2][T, H, W, 3]. */
export function clipsOfTwoMotions(configuration: ModelConfiguration, random: RandomStream): Uint8Array {
  const size = { ...frameSize(configuration), frames: configuration.frames }
  return Buffer.concat([renderMotionClip('right', random, size), renderMotionClip('clockwise', random, size)])
}
