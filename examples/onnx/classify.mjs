// @ts-check
/** Classifies pictures of a video with an exported classifier and the JSON file next to it. For Node.js and the browser. */
import { clipPositions, clipTensor, countPositions, cutFrame } from './clip.mjs'

/** @typedef {import('videomae/model').OnnxSidecar} Sidecar */
/** @typedef {{ pixels: Uint8Array | Uint8ClampedArray, width: number, height: number, channels: number }} Picture RGB or RGBA */

/** @typedef {{ label: string, probability: number }} Class */

/**
 * @param {typeof import('onnxruntime-web')} ort onnxruntime-web or onnxruntime-node
 * @param {Uint8Array} model content of NAME.onnx
 * @param {Sidecar} sidecar content of NAME.json
 * @param {string[]} [providers] of ONNX Runtime, such as `webgpu`; default: its own
 */
export async function openClassifier(ort, model, sidecar, providers) {
  if (sidecar.format !== 'videomae-onnx' || sidecar.version !== 1) throw new Error('Expected NAME.json of an export.')
  if (sidecar.task !== 'classify') throw new Error(`Expected a classifier; the file is for ${sidecar.task}.`)
  await requireSame(model, sidecar)
  const session = await ort.InferenceSession.create(model, providers ? { executionProviders: providers } : {})
  return {
    /** The classes of one clip, the most probable first. @param {readonly Uint8Array[]} frames cut frames @returns {Promise<Class[]>} */
    async classify(frames) {
      const { type, data, shape } = clipTensor(sidecar, frames)
      const tensor = new ort.Tensor(/** @type {'uint8'} */ (type), /** @type {Uint8Array} */ (data), shape)
      const { probabilities } = await session.run({ [sidecar.inputs[0].name]: tensor })
      const values = /** @type {Float32Array} */ (probabilities.data)
      const classes = (sidecar.labels ?? []).map((label, i) => ({ label, probability: values[i] }))
      return classes.sort((a, b) => b.probability - a.probability)
    },
    close: () => session.release(),
  }
}

/**
 * The frames of the middle clip of a video.
 *
 * @param {Sidecar} sidecar
 * @param {{ seconds: number, fps: number }} video its length and its frames per second
 * @param {(seconds: number) => Promise<Picture>} pictureAt the picture that is shown then
 */
export async function middleClip(sidecar, video, pictureAt) {
  const rate = sidecar.clip?.sampling?.fps ?? video.fps
  const count = countPositions(sidecar, Math.round(video.seconds * video.fps), video.seconds)
  const frames = []
  for (const position of clipPositions(sidecar, count)) {
    // A little behind its beginning, so that rounding does not show the frame before.
    const { pixels, width, height, channels } = await pictureAt(Math.min(position / rate + 1e-3, video.seconds))
    frames.push(cutFrame(sidecar, pixels, width, height, channels))
  }
  return frames
}

/** The description must be that of this file. @param {Uint8Array} model @param {Sidecar} sidecar */
async function requireSame(model, { files: [{ name, sha256 }] }) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(model)))
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  if (found !== sha256) throw new Error(`Expected ${name} with SHA-256 ${sha256}, but that of the file is ${found}.`)
}
