import { codedBox, displaySize, type Orientation } from './orientation.ts'
import type { Geometry, Size } from './types.ts'

interface Pixels extends Size {
  /** FFmpeg's name. */
  readonly pixelFormat: string
}

/** What a chain makes. */
export interface OutputPixels {
  readonly format: 'rgb24' | 'yuv420p'
  /** libswscale's name of the way to scale. */
  readonly scaler: 'bilinear' | 'bicubic'
}

const clipPixels: OutputPixels = { format: 'rgb24', scaler: 'bilinear' }

/**
 * The filter chain that makes one crop: libavfilter's `crop` (moves pointers, copies nothing), `scale` (libswscale, bilinear;
 * it widens the kernel when it scales down, so downscaling is antialiased) straight to RGB24 at the target size, and only then, on
 * the small picture, the turn and the mirroring. Both decoders use the same chain, so their pixels agree.
 *
 * The color matrix and range that a frame declares are honored; an undeclared matrix is read as BT.601, as FFmpeg does.
 * `exact=1`: the luma crop is placed on the asked pixel even where chroma is subsampled.
 *
 * @param coded size and pixel format of the frames that come in
 * @param expected size the geometry was made for (differs from `coded` where a stream changes its size midway)
 * @param pixels what comes out, and how it is scaled. Default: pixels of clips
 */
export function cropChain(
  geometry: Geometry,
  output: Size,
  coded: Pixels,
  expected: Size,
  o: Orientation,
  pixels: OutputPixels = clipPixels,
): string {
  const box = codedBox(geometry.crop, displaySize(expected, o), o)
  const scaled = o.swap ? { width: geometry.scale.height, height: geometry.scale.width } : geometry.scale
  const filters: string[] = []
  if (coded.width !== expected.width || coded.height !== expected.height) {
    filters.push(`scale=${expected.width}:${expected.height}:flags=bilinear`)
  }
  if (box.width !== expected.width || box.height !== expected.height) {
    const x = needsEvenColumns(coded.pixelFormat) ? box.x & ~1 : box.x
    filters.push(`crop=${box.width}:${box.height}:${x}:${box.y}:exact=1`)
  }
  filters.push(`scale=${scaled.width}:${scaled.height}:flags=${pixels.scaler}`, `format=${pixels.format}`)
  if (geometry.window !== undefined) {
    const kept = codedBox({ ...geometry.window, ...output }, geometry.scale, o)
    filters.push(`crop=${kept.width}:${kept.height}:${kept.x}:${kept.y}`)
  }
  if (o.swap) filters.push('transpose=cclock_flip')
  if (o.flipX !== geometry.flip) filters.push('hflip')
  if (o.flipY) filters.push('vflip')
  return filters.join(',')
}

/**
 * For samples of two bytes, and for interleaved chroma, `crop` halves a byte offset that must stay a whole sample: from an odd column it would read
 * garbage colors (seen with FFmpeg 5.1 and 8.1).
 */
function needsEvenColumns(pixelFormat: string): boolean {
  return /(?:9|1[0-6])(?:le|be)$|^nv|^p[024]/.test(pixelFormat)
}
