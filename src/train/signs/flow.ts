/** Where the picture of a clip moves to, by its pixels alone. */

/** Length of the longer side that flow is estimated at: movements of several pixels become small there. */
const coarseSide = 24

/** Mean movement of the picture from one frame to the next, pixels of the clip. Positive: to the right, downwards. */
export interface Movement {
  readonly x: number
  readonly y: number
}

/**
 * One translation for all frames: least squares on the constraint Ix u + Iy v + It = 0 (Lucas and Kanade 1981) over all pixels of
 * the shrunk frames.
 *
 * @param clip uint8 [frames, height, width, 3]
 * @returns zero where the frames have no gradient
 */
export function clipMovement(clip: Uint8Array, frames: number, height: number, width: number): Movement {
  const factor = Math.max(1, Math.round(Math.max(height, width) / coarseSide))
  const [h, w] = [Math.max(1, Math.floor(height / factor)), Math.max(1, Math.floor(width / factor))]
  const gray = shrunk(clip, { frames, height, width }, { factor, h, w })
  let [xx, xy, yy, xt, yt] = [0, 0, 0, 0, 0]
  for (let t = 0; t + 1 < frames; t++) {
    const [before, after] = [gray.subarray(t * h * w), gray.subarray((t + 1) * h * w)]
    for (let y = 1; y + 1 < h; y++) {
      for (let x = 1; x + 1 < w; x++) {
        const i = y * w + x
        // Gradients of the mean of both frames: the estimate of the reversed clip is exactly the opposite one.
        const ix = (before[i + 1] - before[i - 1] + after[i + 1] - after[i - 1]) / 4
        const iy = (before[i + w] - before[i - w] + after[i + w] - after[i - w]) / 4
        const it = after[i] - before[i]
        xx += ix * ix
        xy += ix * iy
        yy += iy * iy
        xt += ix * it
        yt += iy * it
      }
    }
  }
  // A little on the diagonal: frames with edges of one direction leave the other one open.
  const ridge = 1e-3 * (xx + yy) + 1e-9
  const determinant = (xx + ridge) * (yy + ridge) - xy * xy
  return {
    x: (factor * (xy * yt - (yy + ridge) * xt)) / determinant,
    y: (factor * (xy * xt - (xx + ridge) * yt)) / determinant,
  }
}

/** Means of all colors over factor x factor pixels: [frames, h, w]. */
function shrunk(
  clip: Uint8Array,
  { frames, height, width }: { readonly frames: number; readonly height: number; readonly width: number },
  { factor, h, w }: { readonly factor: number; readonly h: number; readonly w: number },
): Float64Array {
  const gray = new Float64Array(frames * h * w)
  for (let t = 0; t < frames; t++) {
    for (let y = 0; y < h * factor; y++) {
      const row = (t * height + y) * width * 3
      const into = (t * h + Math.floor(y / factor)) * w
      for (let x = 0; x < w * factor; x++) {
        const pixel = row + 3 * x
        gray[into + Math.floor(x / factor)] += clip[pixel] + clip[pixel + 1] + clip[pixel + 2]
      }
    }
  }
  const area = 3 * factor * factor
  return gray.map((sum) => sum / area)
}
