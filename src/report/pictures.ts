import sharp from 'sharp'
import type { Reconstruction } from './reconstruction.ts'

export interface PictureSize {
  readonly frames: number
  readonly height: number
  readonly width: number
}

const gap = 4
const paper = 255

/** RGB canvas filled with white. */
function canvas(width: number, height: number): Uint8Array {
  return new Uint8Array(width * height * 3).fill(paper)
}

/** Copies frame t of a clip [T, H, W, 3] onto a canvas. */
function place(
  clip: Uint8Array,
  t: number,
  size: PictureSize,
  onto: Uint8Array,
  stride: number,
  x: number,
  y: number,
): void {
  for (let row = 0; row < size.height; row++) {
    const from = (t * size.height + row) * size.width * 3
    onto.set(clip.subarray(from, from + size.width * 3), ((y + row) * stride + x) * 3)
  }
}

/** Whole-number enlargement so that small frames can be looked at. */
function enlargement(size: PictureSize): number {
  return Math.max(1, Math.floor(160 / Math.max(size.width, size.height)))
}

/**
 * A sheet with one column per shown frame and three rows: original, masked, reconstruction.
 *
 * @param columns how many frames are shown, evenly spread
 * @returns PNG bytes
 */
export async function reconstructionSheet(parts: Reconstruction, size: PictureSize, columns = 8): Promise<Uint8Array> {
  const shown = Math.min(columns, size.frames)
  const width = shown * (size.width + gap) - gap
  const height = 3 * (size.height + gap) - gap
  const sheet = canvas(width, height)
  for (const [row, clip] of [parts.original, parts.masked, parts.reconstruction].entries()) {
    for (let k = 0; k < shown; k++) {
      const t = Math.floor((k * size.frames) / shown)
      place(clip, t, size, sheet, width, k * (size.width + gap), row * (size.height + gap))
    }
  }
  const factor = enlargement(size)
  return sharp(sheet, { raw: { width, height, channels: 3 } })
    .resize(width * factor, height * factor, { kernel: 'nearest' })
    .png()
    .toBuffer()
}

/**
 * An endless animation: original | masked | reconstruction side by side.
 *
 * @param millisecondsPerFrame default 120
 * @returns animated WebP bytes
 */
export async function reconstructionAnimation(
  parts: Reconstruction,
  size: PictureSize,
  millisecondsPerFrame = 120,
): Promise<Uint8Array> {
  const width = 3 * (size.width + gap) - gap
  const factor = enlargement(size)
  const pages: Buffer[] = []
  for (let t = 0; t < size.frames; t++) {
    const page = canvas(width, size.height)
    for (const [k, clip] of [parts.original, parts.masked, parts.reconstruction].entries()) {
      place(clip, t, size, page, width, k * (size.width + gap), 0)
    }
    pages.push(
      await sharp(page, { raw: { width, height: size.height, channels: 3 } })
        .resize(width * factor, size.height * factor, { kernel: 'nearest' })
        .raw()
        .toBuffer(),
    )
  }
  const pageHeight = size.height * factor
  return sharp(Buffer.concat(pages), {
    raw: { width: width * factor, height: pageHeight * size.frames, channels: 3, pageHeight },
  })
    .webp({ loop: 0, delay: pages.map(() => millisecondsPerFrame), quality: 80 })
    .toBuffer()
}
