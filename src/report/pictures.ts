import sharp from 'sharp'
import type { PaintedClips } from './reconstruction.ts'
import { drawText, lineHeight, type Picture, textWidth, wrapText } from './text.ts'

export interface PictureSize {
  readonly frames: number
  readonly height: number
  readonly width: number
  /** Number of each frame, [frames], as the pictures show it: its index in the file. Default: 0, 1, ... */
  readonly frameNumbers?: readonly number[]
}

/** Exif entry of every picture. It tells them from pictures of other origin. */
const origin = { IFD0: { Software: 'videomae reconstruct' } } as const

/** Whether a picture was made here. @param bytes a whole file of any origin */
export async function isReconstructionPicture(bytes: Uint8Array): Promise<boolean> {
  if (bytes.length === 0) return false // sharp throws at once
  const found = await sharp(bytes)
    .metadata()
    .catch(() => null)
  return found?.exif?.includes(origin.IFD0.Software) === true
}

/** Pixels between frames. */
const gap = 8
const paper = 255

/** Picture filled with white. */
function blank(width: number, height: number): Picture {
  return { data: new Uint8Array(width * height * 3).fill(paper), width, height }
}

/** Draws frame t of a clip [T, H, W, 3], enlarged by a whole number, with its upper left corner at (x, y). */
function drawFrame(onto: Picture, clip: Uint8Array, t: number, size: PictureSize, x: number, y: number): void {
  const factor = enlargement(size)
  const line = new Uint8Array(size.width * factor * 3)
  for (let row = 0; row < size.height; row++) {
    const from = (t * size.height + row) * size.width * 3
    for (let column = 0; column < size.width * factor; column++) {
      const pixel = from + Math.floor(column / factor) * 3
      line.set(clip.subarray(pixel, pixel + 3), column * 3)
    }
    for (let k = 0; k < factor; k++) onto.data.set(line, ((y + row * factor + k) * onto.width + x) * 3)
  }
}

/** Whole-number enlargement so that small frames can be looked at. */
function enlargement(size: PictureSize): number {
  return Math.max(1, Math.floor(160 / Math.max(size.width, size.height)))
}

interface LabeledClip {
  readonly label: string
  /** uint8 [T, H, W, 3] */
  readonly clip: Uint8Array
}

function labeled({ original, masked, prediction, predictionWithTrueStatistics }: PaintedClips): LabeledClip[] {
  return [
    { label: 'original', clip: original },
    { label: 'masked', clip: masked },
    { label: 'prediction', clip: prediction },
    ...(predictionWithTrueStatistics === null
      ? []
      : [{ label: 'prediction + true patch mean and std', clip: predictionWithTrueStatistics }]),
  ]
}

function frameNumber({ frameNumbers }: PictureSize, t: number): number {
  return frameNumbers?.[t] ?? t
}

/**
 * A sheet with one column per shown frame, the number of the frame above it, and a labeled row per clip: original, masked,
 * prediction, and where targets are normalized the prediction with the true mean and standard deviation of every patch.
 *
 * @param columns how many frames are shown, evenly spread
 * @returns PNG bytes
 */
export async function reconstructionSheet(parts: PaintedClips, size: PictureSize, columns = 8): Promise<Uint8Array> {
  const rows = labeled(parts)
  const factor = enlargement(size)
  const shown = Math.min(columns, size.frames)
  const times = Array.from({ length: shown }, (_, k) => Math.floor((k * size.frames) / shown))
  const numbers = times.map((t) => String(frameNumber(size, t)))
  const named = numbers.map((number) => `frame ${number}`)
  const headings = Math.max(...named.map(textWidth)) <= size.width * factor ? named : numbers
  const columnWidth = Math.max(size.width * factor, ...headings.map(textWidth)) + gap
  const rowHeight = lineHeight + size.height * factor + gap
  const sheet = blank(
    Math.max(times.length * columnWidth - gap, ...rows.map(({ label }) => textWidth(label))),
    lineHeight + rows.length * rowHeight - gap,
  )
  for (const [k, t] of times.entries()) {
    drawText(sheet, headings[k], k * columnWidth, 0)
    for (const [row, { clip }] of rows.entries()) {
      drawFrame(sheet, clip, t, size, k * columnWidth, lineHeight + row * rowHeight + lineHeight)
    }
  }
  for (const [row, { label }] of rows.entries()) drawText(sheet, label, 0, lineHeight + row * rowHeight)
  return sharp(sheet.data, { raw: { width: sheet.width, height: sheet.height, channels: 3 } })
    .withExif(origin)
    .png()
    .toBuffer()
}

/**
 * An endless animation: the clips of the sheet side by side, a label above each, and the number of the frame below them.
 *
 * @param millisecondsPerFrame default 120
 * @returns animated WebP bytes
 */
export async function reconstructionAnimation(
  parts: PaintedClips,
  size: PictureSize,
  millisecondsPerFrame = 120,
): Promise<Uint8Array> {
  const factor = enlargement(size)
  const panels = labeled(parts).map(({ label, clip }) => ({ clip, lines: wrapText(label, size.width * factor) }))
  const columnWidth = Math.max(size.width * factor, ...panels.flatMap(({ lines }) => lines.map(textWidth))) + gap
  const top = lineHeight * Math.max(...panels.map(({ lines }) => lines.length))
  const below = top + size.height * factor + gap
  const pages: Picture[] = []
  for (let t = 0; t < size.frames; t++) {
    const page = blank(panels.length * columnWidth - gap, below + lineHeight)
    for (const [k, { clip, lines }] of panels.entries()) {
      const x = k * columnWidth
      for (const [i, line] of lines.entries()) drawText(page, line, x, top - (lines.length - i) * lineHeight)
      drawFrame(page, clip, t, size, x, top)
    }
    drawText(page, `frame ${frameNumber(size, t)}`, 0, below)
    pages.push(page)
  }
  const { width, height: pageHeight } = pages[0]
  return sharp(Buffer.concat(pages.map(({ data }) => data)), {
    raw: { width, height: pageHeight * size.frames, channels: 3, pageHeight },
  })
    .withExif(origin)
    .webp({ loop: 0, delay: pages.map(() => millisecondsPerFrame), quality: 80 })
    .toBuffer()
}
