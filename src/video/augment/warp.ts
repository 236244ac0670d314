/** Where output pixel (x, y) looks in the input: (a x + b y + c, d x + e y + f), pixel centers at half numbers. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number]

/** What is seen where the transformation looks outside the picture: the reference's gray, or the color of the nearest edge. */
export type Outside = 'gray' | 'edge'

const gray = 128

/**
 * Warps one RGB frame with bicubic interpolation (Keys's kernel with a = -1), as PIL's `Image.transform(AFFINE, BICUBIC)`.
 *
 * @param source uint8 [height, width, 3]
 * @param target the same shape, another buffer
 */
export function warpFrame(
  source: Uint8Array,
  target: Uint8Array,
  width: number,
  height: number,
  map: Affine,
  outside: Outside = 'gray',
): void {
  const [a, b, c, d, e, f] = map
  const weightX = new Float64Array(4)
  const weightY = new Float64Array(4)
  const columns = new Int32Array(4)
  const rows = new Int32Array(4)
  let out = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, out += 3) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f
      if (outside === 'gray' && (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height)) {
        target[out] = target[out + 1] = target[out + 2] = gray
        continue
      }
      taps(fromX - 0.5, width, columns, weightX)
      taps(fromY - 0.5, height, rows, weightY)
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0
        for (let j = 0; j < 4; j++) {
          const row = rows[j] * width
          let line = 0
          for (let i = 0; i < 4; i++) line += weightX[i] * source[(row + columns[i]) * 3 + channel]
          sum += weightY[j] * line
        }
        target[out + channel] = sum <= 0 ? 0 : sum >= 255 ? 255 : sum + 0.5
      }
    }
  }
}

/** The four input pixels around `at` and their weights; pixels beyond an edge are the edge. */
function taps(at: number, size: number, inputs: Int32Array, weights: Float64Array): void {
  const base = Math.floor(at)
  const t = at - base
  weights[0] = t * (-1 + t * (2 - t))
  weights[1] = 1 + t * t * (t - 2)
  weights[2] = t * (1 + t * (1 - t))
  weights[3] = t * t * (t - 1)
  for (let i = 0; i < 4; i++) inputs[i] = Math.min(Math.max(base - 1 + i, 0), size - 1)
}

export function shearX(amount: number): Affine {
  return [1, amount, 0, 0, 1, 0]
}

export function shearY(amount: number): Affine {
  return [1, 0, 0, amount, 1, 0]
}

/** @param pixels how far to the right the input is read */
export function translate(x: number, y: number): Affine {
  return [1, 0, x, 0, 1, y]
}

/** Counterclockwise about the middle of the picture. */
export function rotation(degrees: number, width: number, height: number): Affine {
  const angle = (-degrees * Math.PI) / 180
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const [x, y] = [width / 2, height / 2]
  return [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y]
}
