/** Small animations of videos, to look at. */
import sharp from 'sharp'
import { VideoMaeError } from '../../../core/errors.ts'
import { loadClips } from '../../../video/load-clips.ts'
import type { VideoEntry } from '../../../video/types.ts'

export interface ClipPicture {
  /** Animated WebP, and its first frame, as `data:` addresses. */
  readonly source: string
  readonly still: string
  readonly width: number
  readonly height: number
}

/** Pixels, and frames from the first to the last of a video. */
const [width, height, frames] = [176, 132, 12]
const millisecondsPerFrame = 160

/** Characters of all pictures of a page together. */
const mostCharacters = 2_000_000

/**
 * Animations of some videos, the middle of their frames, from the first frame to the last.
 *
 * @returns for each video its picture, or why there is none; `why` where not even decoding could begin
 */
export async function clipPictures(
  entries: readonly VideoEntry[],
): Promise<{ readonly pictures: readonly (ClipPicture | string)[]; readonly why: string | null }> {
  const pictures: (ClipPicture | string)[] = []
  let characters = 0
  try {
    const videos = loadClips({ entries, samplings: [{ kind: 'spread', frames }], size: { height, width }, workers: 1 })
    for await (const loaded of videos) {
      if (!loaded.ok) {
        pictures.push(loaded.reason)
        continue
      }
      const picture = await pictureOf(loaded.clips)
      characters += picture.source.length + picture.still.length
      pictures.push(characters > mostCharacters ? 'it would make this page too large' : picture)
    }
    return { pictures, why: null }
  } catch (error) {
    if (error instanceof VideoMaeError) return { pictures: [], why: error.message }
    throw error
  }
}

/** @param clip uint8 [frames, height, width, 3] */
async function pictureOf(clip: Uint8Array): Promise<ClipPicture> {
  const address = (bytes: Buffer): string => `data:image/webp;base64,${bytes.toString('base64')}`
  const animated = sharp(clip, { raw: { width, height: height * frames, channels: 3, pageHeight: height } })
  const still = sharp(clip.subarray(0, width * height * 3), { raw: { width, height, channels: 3 } })
  return {
    source: address(
      await animated
        .webp({ loop: 0, delay: new Array<number>(frames).fill(millisecondsPerFrame), quality: 60 })
        .toBuffer(),
    ),
    still: address(await still.webp({ quality: 60 }).toBuffer()),
    ...{ width, height },
  }
}
