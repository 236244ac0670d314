import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import type { FrameSize } from '../core/frame-size.ts'
import { RandomStream } from '../core/random.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { outputTaken } from '../format/onnx-target.ts'
import { createMask, type MaskKind } from '../mask/mask.ts'
import { frameSize, tokenGrid } from '../model/configuration.ts'
import { meanPredictionLoss } from '../model/mean-loss.ts'
import { buildReconstructProgram } from '../model/pretrain.ts'
import { clipTiming, defaultTiming, positionsOf } from '../train/clip-timing.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { openCheckpoint } from '../train/open-checkpoint.ts'
import { loadClips } from '../video/load-clips.ts'
import type { ClipSampling } from '../video/sampling.ts'
import type { DecoderName } from '../video/types.ts'
import { isReconstructionPicture, type PictureSize, reconstructionAnimation, reconstructionSheet } from './pictures.ts'
import { type PaintedClips, paintReconstruction } from './reconstruction.ts'

/** Which clips are hidden and painted again, and where the pictures go. */
export interface ReconstructOptions {
  /** Path of the pictures without extension. */
  readonly out: string
  /** Share of hidden patches. Default: as trained, else 0.9. */
  readonly maskRatio?: number
  /** Default: as trained, else `tube`. */
  readonly mask?: MaskKind
  /** Frames from one frame of the clip to the next. Default: as trained, else 4. */
  readonly stride?: number
  /** Key of the mask. Default 0. */
  readonly seed?: number
  /** Default `onnx`. */
  readonly engine?: string
  /** What decodes the video. Default `node-av`. */
  readonly decoder?: DecoderName
}

/** The pictures that were written, and the error of the reconstruction. */
export interface ReconstructResult {
  /** PNG: labeled rows as in `clips`; columns are frames. */
  readonly picture: string
  /** Endless WebP: the same side by side. */
  readonly animation: string
  /** What the pictures show, uint8 [T, H, W, 3] each. */
  readonly clips: PaintedClips
  /** The training loss on this clip and mask. */
  readonly loss: number
  /** The loss of predicting the mean on this clip and mask: see `meanPredictionLoss`. */
  readonly meanLoss: number
  /** Mean squared error of the prediction alone on the masked patches, on [0, 1] pixels. */
  readonly pixelError: number
  /** Frame indices of the clip in the file. */
  readonly frames: readonly number[]
  /** Tokens that the model saw. */
  readonly visible: number
  /** Tokens that were hidden. */
  readonly masked: number
  /** What a user should know about the checkpoint, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Shows what a pretrained model predicts for the hidden patches of the middle clip of a video.
 *
 * @param checkpoint run folder, checkpoint folder or Hugging Face directory of a pretrained model
 * @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin has the name of a picture; `CHECKPOINT_KIND` when it has no decoder; what decoding, masks and the engine throw
 *
 * @example
 * ```ts
 * import { reconstruct } from 'videomae'
 *
 * const result = await reconstruct('checkpoints/encoder', 'videos/left/00001.mp4', { out: 'reconstruction' })
 * result.frames.length // => 8
 * ```
 */
export async function reconstruct(
  checkpoint: string,
  video: string,
  options: ReconstructOptions,
): Promise<ReconstructResult> {
  const { picture, animation } = await picturePaths(options.out, video)
  const opened = await openCheckpoint(checkpoint)
  const { configuration, kind, state, clip, mask: trained, path: source, warnings } = opened
  if (kind !== 'pretrain') {
    throw new VideoMaeError(
      `Expected a pretrained model with its decoder in ${source}, but received a model of kind ${kind}.`,
      {
        code: 'CHECKPOINT_KIND',
        exit: 'usage',
        hint: 'Only checkpoints written by `videomae pretrain` (or VideoMAEForPreTraining) can reconstruct.',
      },
    )
  }
  const { height, width, ...scaling } = frameSize(configuration)
  const mask = createMask(
    options.mask ?? trained?.kind ?? 'tube',
    tokenGrid(configuration),
    options.maskRatio ?? trained?.ratio ?? 0.9,
    new RandomStream(options.seed ?? 0, 'reconstruct'),
  )
  const sampling: ClipSampling = {
    kind: 'strided',
    frames: configuration.frames,
    ...positionsOf(clipTiming({ stride: options.stride }, clip ?? defaultTiming)),
    start: 'center',
  }
  const { frames, indices } = await readClip(video, sampling, { height, width, ...scaling }, options.decoder)
  const program = buildReconstructProgram({
    configuration,
    batch: 1,
    visible: mask.visible.length,
    masked: mask.masked.length,
  })
  const engine = await chooseEngine(options.engine ?? null)
  const session = await engine.open([program])
  try {
    await session.writeState(new Map(program.state.map(({ name }) => [name, state.get(name)!])))
    const outputs = await session.run(program.name, { frames, visible: mask.visible, masked: mask.masked })
    const { pixelError, ...clips } = paintReconstruction(configuration, frames, mask.masked, outputs.prediction)
    const size: PictureSize = { frames: configuration.frames, height, width, frameNumbers: indices }
    await writeFileAtomic(picture, await reconstructionSheet(clips, size))
    await writeFileAtomic(animation, await reconstructionAnimation(clips, size))
    return {
      picture,
      animation,
      clips,
      loss: outputs.loss[0],
      meanLoss: meanPredictionLoss(configuration, frames, mask.masked),
      pixelError,
      frames: indices,
      visible: mask.visible.length,
      masked: mask.masked.length,
      warnings,
    }
  } finally {
    await session.close()
  }
}

/** Bytes. A larger file is no picture that was made here. */
const mostPictureBytes = 2 ** 28

/**
 * Where the pictures go.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin, or the video itself, is there
 */
async function picturePaths(
  out: string,
  video: string,
): Promise<{ readonly picture: string; readonly animation: string }> {
  const [picture, animation] = [`${path.resolve(out)}.png`, `${path.resolve(out)}.webp`]
  const read = await realpath(video).catch(() => null)
  for (const file of [picture, animation]) {
    const found = await realpath(file).catch(() => null)
    if (found === null) continue
    const { size, isFile } = await stat(found).then((at) => ({ size: at.size, isFile: at.isFile() }))
    if (!isFile) continue // It cannot be replaced; the system says so.
    const own = size === 0 || (size <= mostPictureBytes && (await isReconstructionPicture(await readFile(found))))
    if (found === read || !own) throw outputTaken(file, 'a picture of an earlier reconstruction')
  }
  return { picture, animation }
}

/** One clip, centered; the failure of the file becomes an error. */
async function readClip(
  video: string,
  sampling: ClipSampling,
  size: FrameSize,
  decoder: DecoderName = 'node-av',
): Promise<{ frames: Uint8Array; indices: readonly number[] }> {
  const entries = [{ path: video, id: video }]
  for await (const loaded of loadClips({ entries, samplings: [sampling], size, decoder, workers: 1 })) {
    if (!loaded.ok) throw new VideoMaeError(loaded.reason, { code: loaded.code, exit: 'data' })
    return { frames: loaded.clips, indices: loaded.views[0].frames }
  }
  throw new VideoMaeError(`The video ${video} yielded no clip.`, { code: 'VIDEO_UNREADABLE', exit: 'data' })
}
