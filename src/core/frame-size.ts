/** How a whole picture is scaled before the middle of it, or a part along its long side, becomes a frame. */
export type Resize =
  /** Its short side to this many pixels, and at least so far that it covers the frame. Proportions stay. */
  | { readonly shortEdge: number }
  /** To exactly this size, which changes its proportions where they differ. */
  | { readonly height: number; readonly width: number }

/** Pixels of the longest side that a picture is scaled to. */
export const largestResize = 8192

/** Frames of a clip, pixels. */
export interface FrameSize {
  readonly height: number
  readonly width: number
  /** Absent: scaled until it just covers the frame. Random crops of training do not use it. */
  readonly resize?: Resize
}

/** One number is a square. */
export function frameSizeOf(size: number | FrameSize): FrameSize {
  return typeof size === 'number' ? { height: size, width: size } : size
}
