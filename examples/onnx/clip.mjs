// @ts-check
/**
 * Makes the input of an exported ONNX file from pictures of a video, by what the JSON file next to it says (docs/onnx.md).
 * No dependency; runs in Node.js and in the browser.
 */
/** @typedef {import('videomae/model').OnnxSidecar} Sidecar */

/** Positions of a video: one for each frame, or `fps` for each second. @param {Sidecar} sidecar @param {number} frames @param {number} seconds */
export function countPositions({ clip }, frames, seconds) {
  return clip?.sampling?.fps ? Math.max(1, Math.floor(seconds * clip.sampling.fps + 0.1)) : frames
}

/** Which of `count` positions make the middle clip. @param {Sidecar} sidecar @param {number} count */
export function clipPositions({ clip }, count) {
  if (clip === null || clip.sampling === null) throw new Error('The file does not say which frames make a clip.')
  const { frames, sampling } = clip
  const numbers = [...Array(frames).keys()]
  if (sampling.kind === 'segments') return numbers.map((i) => Math.min(count - 1, Math.floor(i * (count / frames))))
  const stride = sampling.stride ?? 1
  const listed = Math.max(frames, Math.ceil(count / stride))
  const first = Math.floor((listed - frames) / 2)
  const last = (Math.ceil(count / stride) - 1) * stride
  return numbers.map((i) => Math.min((first + i) * stride, last))
}

/** Scales one picture and cuts out its middle. @param {Sidecar} sidecar @param {Uint8Array | Uint8ClampedArray} pixels @param {number} w @param {number} h @param {number} channels 3 or 4 for each pixel */
export function cutFrame({ clip }, pixels, w, h, channels) {
  if (clip === null) throw new Error('The file takes features, not pictures.')
  const { resize, crop } = clip
  const cover = Math.max(crop.width / w, crop.height / h)
  const r = resize.kind === 'short-edge' ? Math.max(cover, resize.pixels / Math.min(w, h)) : cover
  const width = resize.kind === 'exact' ? resize.width : Math.max(crop.width, Math.floor(w * r + 1e-9))
  const height = resize.kind === 'exact' ? resize.height : Math.max(crop.height, Math.floor(h * r + 1e-9))
  const columns = filterOf(w, width, Math.floor((width - crop.width) / 2), crop.width)
  const rows = filterOf(h, height, Math.floor((height - crop.height) / 2), crop.height)
  const out = new Uint8Array(crop.height * crop.width * 3)
  for (let y = 0; y < crop.height; y++) {
    for (let x = 0; x < crop.width; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (const [at, b] of rows[y])
          for (const [k, a] of columns[x]) sum += a * b * pixels[(at * w + k) * channels + c]
        out[(y * crop.width + x) * 3 + c] = Math.round(sum)
      }
    }
  }
  return out
}

/** The pixels that `count` scaled ones from `from` on are made of, with their weights. @param {number} size @param {number} scaled @param {number} from @param {number} count */
function filterOf(size, scaled, from, count) {
  const ratio = size / scaled
  const reach = Math.max(1, ratio)
  return Array.from({ length: count }, (_, i) => {
    const center = (from + i + 0.5) * ratio - 0.5
    /** @type {[number, number][]} */
    const taps = []
    for (let at = Math.ceil(center - reach); at <= center + reach; at++) {
      const weight = 1 - Math.abs(at - center) / reach
      if (weight > 0) taps.push([Math.min(size - 1, Math.max(0, at)), weight])
    }
    const total = taps.reduce((sum, [, weight]) => sum + weight, 0)
    return taps.map(([at, weight]) => /** @type {const} */ ([at, weight / total]))
  })
}

/** One clip as type, values and shape of a tensor. @param {Sidecar} sidecar @param {readonly Uint8Array[]} frames cut frames */
export function clipTensor({ inputs: [input], clip }, frames) {
  if (clip === null) throw new Error('The file takes features, not pictures.')
  const shape = input.shape.map((size) => (typeof size === 'number' ? size : 1))
  const bytes = Uint8Array.from(frames.flatMap((frame) => [...frame]))
  if (input.type === 'uint8') return { type: 'uint8', data: bytes, shape }
  const [{ mean, std }, plane] = [clip.pixels, clip.crop.height * clip.crop.width]
  const values = Float32Array.from(bytes, (byte, i) => (byte / 255 - mean[i % 3]) / std[i % 3])
  if (!input.axes.includes('row')) return { type: 'float32', data: values, shape }
  const planes = values.map(
    (_, i) => values[(Math.floor(i / plane / 3) * plane + (i % plane)) * 3 + (Math.floor(i / plane) % 3)],
  )
  return { type: 'float32', data: planes, shape }
}
