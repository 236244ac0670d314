/**
 * Histograms of gradients: a fixed description of the shapes in a clip, after Dalal and Triggs (CVPR 2005), without training.
 *
 * Cells of 4 x 4 pixels, 8 signed directions, votes shared linearly between neighboring cells and directions; the gradient of the
 * channel that changes most; square roots of the mean over the frames, the whole of unit length.
 */

/** What `--readout` calls it. With `-color`, the mean colors of a grid of 4 x 4 cells follow. */
export const hogReadouts = ['hog', 'hog-color'] as const
export type HogReadout = (typeof hogReadouts)[number]

/** Side of the clips that are read, pixels. */
export const hogSize = 32

const cell = 4
const directions = 8
const colorCells = 4
/** Length of the colors next to that of the gradients, 1. */
const colorShare = 0.5

export function isHogReadout(text: unknown): text is HogReadout {
  return hogReadouts.some((name) => name === text)
}

/** Values of a row for clips of `size` x `size` pixels. */
export function hogWidth(readout: HogReadout, size: number): number {
  const cells = Math.floor(size / cell)
  return cells * cells * directions + (readout === 'hog' ? 0 : colorCells * colorCells * 3)
}

/**
 * @param clip uint8 [frames, size, size, 3]
 * @returns [hogWidth]: cell row, cell column, direction; then cell row, cell column, channel of the colors
 */
export function hogRow(readout: HogReadout, clip: Uint8Array, size: number): Float32Array {
  const bytes = size * size * 3
  const frames = clip.length / bytes
  const gradients = hogWidth('hog', size)
  const sums = new Float64Array(gradients)
  const colors = new Float64Array(readout === 'hog' ? 0 : colorCells * colorCells * 3)
  for (let f = 0; f < frames; ) {
    const frame = clip.subarray(f * bytes, (f + 1) * bytes)
    // A picture is a clip of equal frames: it is read once.
    let times = 1
    while (f + times < frames && isSame(frame, clip, (f + times) * bytes)) times++
    addGradients(sums, frame, size, times)
    if (colors.length > 0) addColors(colors, frame, size, times)
    f += times
  }
  const row = new Float32Array(gradients + colors.length)
  // Roots of shares: their squares have the sum 1.
  const sum = sums.reduce((a, b) => a + b, 0)
  for (let k = 0; k < gradients; k++) row[k] = sum > 0 ? Math.sqrt(sums[k] / sum) : 0
  const length = Math.sqrt(colors.reduce((a, b) => a + b * b, 0))
  for (let k = 0; k < colors.length; k++) row[gradients + k] = length > 0 ? (colorShare * colors[k]) / length : 0
  return row
}

function isSame(frame: Uint8Array, clip: Uint8Array, from: number): boolean {
  return Buffer.compare(frame, clip.subarray(from, from + frame.length)) === 0
}

function addGradients(sums: Float64Array, frame: Uint8Array, size: number, times: number): void {
  const cells = Math.floor(size / cell)
  for (let y = 0; y < size; y++) {
    const [above, below] = [Math.max(0, y - 1) * size, Math.min(size - 1, y + 1) * size]
    const center = (y + 0.5) / cell - 0.5
    const cellRow = Math.floor(center)
    const rowShare = center - cellRow
    for (let x = 0; x < size; x++) {
      const [left, right] = [Math.max(0, x - 1), Math.min(size - 1, x + 1)]
      let [dx, dy, square] = [0, 0, 0]
      for (let channel = 0; channel < 3; channel++) {
        const h = frame[(y * size + right) * 3 + channel] - frame[(y * size + left) * 3 + channel]
        const v = frame[(below + x) * 3 + channel] - frame[(above + x) * 3 + channel]
        if (h * h + v * v > square) [dx, dy, square] = [h, v, h * h + v * v]
      }
      if (square === 0) continue
      const turn = ((Math.atan2(dy, dx) / (2 * Math.PI) + 1) % 1) * directions
      const low = Math.floor(turn)
      const part = turn - low
      const [first, second] = [low % directions, (low + 1) % directions]
      const across = (x + 0.5) / cell - 0.5
      const cellColumn = Math.floor(across)
      const columnShare = across - cellColumn
      const strength = times * Math.sqrt(square)
      for (let i = 0; i < 2; i++) {
        const row = cellRow + i
        if (row < 0 || row >= cells) continue
        for (let j = 0; j < 2; j++) {
          const column = cellColumn + j
          if (column < 0 || column >= cells) continue
          const weight = strength * (i === 0 ? 1 - rowShare : rowShare) * (j === 0 ? 1 - columnShare : columnShare)
          const at = (row * cells + column) * directions
          sums[at + first] += weight * (1 - part)
          sums[at + second] += weight * part
        }
      }
    }
  }
}

/** Mean colors of the cells, from -1 to 1. */
function addColors(colors: Float64Array, frame: Uint8Array, size: number, times: number): void {
  const pixels = (size / colorCells) ** 2
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = (Math.floor((y * colorCells) / size) * colorCells + Math.floor((x * colorCells) / size)) * 3
      for (let channel = 0; channel < 3; channel++)
        colors[at + channel] += (times * (frame[(y * size + x) * 3 + channel] / 127.5 - 1)) / pixels
    }
  }
}
