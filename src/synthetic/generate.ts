import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { RandomStream } from '../core/random.ts'
import { encodeFrameBytes } from './encode.ts'
import { type MotionClass, motionClasses, renderMotionClip } from './motion.ts'

export interface GenerateOptions {
  /** How many files, spread evenly over the classes. */
  readonly clips: number
  /** Pixels per side. Default 64. */
  readonly size?: number
  /** Frames per file. Default 24. */
  readonly frames?: number
  /** Default 12. */
  readonly framesPerSecond?: number
  readonly seed?: number
  /** Default: all of `motionClasses`. */
  readonly classes?: readonly MotionClass[]
  readonly signal?: AbortSignal
  /** Called after each file. */
  readonly onProgress?: (done: number, total: number) => void
}

export interface GeneratedDataset {
  /** Paths in the order of `labels`. */
  readonly files: readonly string[]
  readonly labels: readonly MotionClass[]
  /** CSV with the columns path,label; paths relative to the folder. */
  readonly manifest: string
}

/**
 * Writes a folder of H.264 files `<class>/<number>.mp4` and `labels.csv`. File k depends on (seed, k) alone.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `ENCODER_FAILED`; the signal's reason when aborted
 */
export async function generateMotionDataset(folder: string, options: GenerateOptions): Promise<GeneratedDataset> {
  const { clips, size = 64, frames = 24, framesPerSecond = 12, seed = 0, classes = motionClasses } = options
  requireCount('generatedVideos', clips, 'clips')
  if (!Number.isInteger(size) || size < 16 || size % 2 !== 0)
    throw invalidArgument('size', 'an even number of at least 16', size)
  requireCount('generatedFrames', frames, 'frames')
  const files: string[] = []
  const labels: MotionClass[] = []
  for (const label of classes) makeFolder(path.join(folder, label))
  for (let k = 0; k < clips; k++) {
    options.signal?.throwIfAborted()
    const label = classes[k % classes.length]
    const file = path.join(folder, label, `${String(k).padStart(5, '0')}.mp4`)
    const pixels = renderMotionClip(label, new RandomStream(seed, k, 'motion clip'), {
      width: size,
      height: size,
      frames,
    })
    await encodeFrameBytes(file, pixels, { width: size, height: size, framesPerSecond })
    files.push(file)
    labels.push(label)
    options.onProgress?.(k + 1, clips)
  }
  const manifest = path.join(folder, 'labels.csv')
  const rows = files.map((file, k) => `${path.relative(folder, file).split(path.sep).join('/')},${labels[k]}`)
  await writeFile(manifest, `path,label\n${rows.join('\n')}\n`)
  return { files, labels, manifest }
}
