import type { Box, Size } from './types.ts'

/**
 * One of the eight ways a picture can be: the displayed picture is the coded one, transposed if `swap`, then mirrored left
 * and right if `flipX`, top and bottom if `flipY`.
 */
export interface Orientation {
  readonly swap: boolean
  readonly flipX: boolean
  readonly flipY: boolean
}

export const upright: Orientation = { swap: false, flipX: false, flipY: false }

/**
 * Reads a display matrix: nine little-endian 32-bit integers, rows (a b u)(c d v)(x y w); a coded point (p, q) is shown at
 * (a p + c q + x, b p + d q + y). ISO/IEC 14496-12, 8.3.2. Angles that are no multiple of 90 degrees take the nearest one.
 */
export function orientationFromMatrix(matrix: Uint8Array): Orientation {
  if (matrix.byteLength < 36) return upright
  const view = new DataView(matrix.buffer, matrix.byteOffset, 36)
  const a = view.getInt32(0, true)
  const b = view.getInt32(4, true)
  const c = view.getInt32(12, true)
  const d = view.getInt32(16, true)
  if (a === 0 && b === 0 && c === 0 && d === 0) return upright
  return Math.abs(a) >= Math.abs(b)
    ? { swap: false, flipX: a < 0, flipY: d < 0 }
    : { swap: true, flipX: c < 0, flipY: b < 0 }
}

/** Clockwise turn of an orientation, after taking out a mirroring. */
export function describeOrientation(o: Orientation): { rotation: 0 | 90 | 180 | 270; mirrored: boolean } {
  if (o.swap) return { rotation: o.flipX ? 90 : 270, mirrored: o.flipX === o.flipY }
  return { rotation: o.flipY ? 180 : 0, mirrored: o.flipX !== o.flipY }
}

export function displaySize(coded: Size, o: Orientation): Size {
  return o.swap ? { width: coded.height, height: coded.width } : { width: coded.width, height: coded.height }
}

/** The box of the coded picture that is shown at `box`, where `display` is the size of the displayed picture. */
export function codedBox(box: Box, display: Size, o: Orientation): Box {
  const x = o.flipX ? display.width - box.x - box.width : box.x
  const y = o.flipY ? display.height - box.y - box.height : box.y
  return o.swap ? { x: y, y: x, width: box.height, height: box.width } : { x, y, width: box.width, height: box.height }
}
