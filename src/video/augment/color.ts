/** Changes of color of one RGB frame in place, uint8 [pixels, 3]; each is PIL's operation of the same name. */

type Table = Uint8Array

const clip8 = (value: number): number => Math.min(Math.max(value, 0), 255)

function mapValues(frame: Uint8Array, table: Table): void {
  for (let i = 0; i < frame.length; i++) frame[i] = table[frame[i]]
}

function tableOf(value: (level: number) => number): Table {
  return Uint8Array.from({ length: 256 }, (_, level) => clip8(value(level)))
}

export function invert(frame: Uint8Array): void {
  for (let i = 0; i < frame.length; i++) frame[i] = 255 - frame[i]
}

/** Keeps the highest `bits` bits of every value. */
export function posterize(frame: Uint8Array, bits: number): void {
  const mask = bits >= 8 ? 255 : 255 & ~(2 ** (8 - bits) - 1)
  mapValues(
    frame,
    tableOf((level) => level & mask),
  )
}

/** Inverts values of at least `threshold`. */
export function solarize(frame: Uint8Array, threshold: number): void {
  mapValues(
    frame,
    tableOf((level) => (level < threshold ? level : 255 - level)),
  )
}

/** Adds `amount` to values below 128. */
export function solarizeAdd(frame: Uint8Array, amount: number): void {
  mapValues(
    frame,
    tableOf((level) => (level < 128 ? level + amount : level)),
  )
}

function histogram(frame: Uint8Array, channel: number): Uint32Array {
  const counts = new Uint32Array(256)
  for (let i = channel; i < frame.length; i += 3) counts[frame[i]]++
  return counts
}

function mapChannel(frame: Uint8Array, channel: number, table: Table): void {
  for (let i = channel; i < frame.length; i += 3) frame[i] = table[frame[i]]
}

/** Stretches every channel to 0..255. */
export function autoContrast(frame: Uint8Array): void {
  for (let channel = 0; channel < 3; channel++) {
    const counts = histogram(frame, channel)
    const low = counts.findIndex((count) => count > 0)
    const high = counts.findLastIndex((count) => count > 0)
    if (high <= low) continue
    const scale = 255 / (high - low)
    mapChannel(
      frame,
      channel,
      tableOf((level) => Math.trunc(level * scale - low * scale)),
    )
  }
}

/** Makes the histogram of every channel flat. */
export function equalize(frame: Uint8Array): void {
  for (let channel = 0; channel < 3; channel++) {
    const counts = histogram(frame, channel)
    const used = counts.filter((count) => count > 0)
    if (used.length <= 1) continue
    const step = Math.floor((frame.length / 3 - used[used.length - 1]) / 255)
    if (step === 0) continue
    let sum = step >> 1
    const table = new Uint8Array(256)
    for (let level = 0; level < 256; level++) {
      table[level] = Math.min(255, Math.floor(sum / step))
      sum += counts[level]
    }
    mapChannel(frame, channel, table)
  }
}

/** Luma of a pixel as PIL rounds it (ITU-R 601). */
function luma(frame: Uint8Array, at: number): number {
  return (frame[at] * 19595 + frame[at + 1] * 38470 + frame[at + 2] * 7471 + 0x8000) >> 16
}

/** base + factor * (value - base), truncated. */
const blend = (base: number, value: number, factor: number): number => clip8(base + factor * (value - base))

/** Factor 0: gray; 1: as it is. */
export function color(frame: Uint8Array, factor: number): void {
  for (let i = 0; i < frame.length; i += 3) {
    const gray = luma(frame, i)
    for (let c = 0; c < 3; c++) frame[i + c] = blend(gray, frame[i + c], factor)
  }
}

/** Factor 0: the frame's mean gray. */
export function contrast(frame: Uint8Array, factor: number): void {
  let sum = 0
  for (let i = 0; i < frame.length; i += 3) sum += luma(frame, i)
  const mean = Math.trunc(sum / (frame.length / 3) + 0.5)
  mapValues(
    frame,
    tableOf((level) => blend(mean, level, factor)),
  )
}

/** Factor 0: black. */
export function brightness(frame: Uint8Array, factor: number): void {
  mapValues(
    frame,
    tableOf((level) => blend(0, level, factor)),
  )
}

/** Factor 0: smoothed with [1 1 1; 1 5 1; 1 1 1] / 13, the border as it is; above 1: sharper. */
export function sharpness(frame: Uint8Array, width: number, height: number, factor: number): void {
  const source = frame.slice()
  const row = width * 3
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      let sum = 4 * source[i]
      for (let j = i - row; j <= i + row; j += row) sum += source[j - 3] + source[j] + source[j + 3]
      frame[i] = blend(Math.trunc(sum / 13 + 0.5), source[i], factor)
    }
  }
}
