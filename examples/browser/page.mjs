// @ts-check
/** The page: classifies a video or the camera with the classifier next to it. `?video=URL` opens a video at once. */
import { middleClip, openClassifier } from './classify.mjs'
import { cutFrame } from './clip.mjs'
import { openVideo, picture, pictureAt, showsCamera, startCamera } from './pictures.mjs'

const library = new URL('ort.webgpu.bundle.min.mjs', import.meta.url).href
const ort = /** @type {typeof import('onnxruntime-web')} */ (await import(library))
const get = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id))
const file = /** @type {HTMLInputElement} */ (get('file'))
const fps = () => Number(/** @type {HTMLInputElement} */ (get('fps')).value)
const say = (/** @type {string} */ text) => (get('status').textContent = text)
const attempt = (/** @type {Promise<unknown>} */ work) => work.catch((error) => say(String(error)))

/** On the GPU where a first clip succeeds there, else in WebAssembly. */
async function open() {
  const sidecar = /** @type {import('videomae/model').OnnxSidecar} */ (await (await fetch('classifier.json')).json())
  const model = new Uint8Array(await (await fetch('classifier.onnx')).arrayBuffer())
  if (sidecar.clip === null) throw new Error('The classifier takes features, not pictures.')
  const { crop, frames } = sidecar.clip
  const blank = Array.from({ length: frames }, () => new Uint8Array(crop.width * crop.height * 3))
  for (const provider of 'gpu' in navigator ? ['webgpu', 'wasm'] : ['wasm']) {
    try {
      const classifier = await openClassifier(ort, model, sidecar, [provider])
      await classifier.classify(blank)
      return { sidecar, clip: sidecar.clip, classifier, provider: provider === 'webgpu' ? 'WebGPU' : 'WebAssembly' }
    } catch (error) {
      if (provider === 'wasm') throw error
    }
  }
  throw new Error('Neither WebGPU nor WebAssembly runs the classifier.')
}
const opened = open()

/** @param {readonly Uint8Array[]} frames */
async function show(frames) {
  const { classifier, provider } = await opened
  const start = performance.now()
  const classes = await classifier.classify(frames)
  say(`${provider}, ${(performance.now() - start).toFixed(0)} ms for a clip of ${frames.length} frames`)
  const rows = classes.slice(0, 5).map(({ label, probability }) => {
    const row = document.createElement('tr')
    for (const text of [label, `${(100 * probability).toFixed(1)} %`]) row.insertCell().textContent = text
    return row
  })
  get('classes').replaceChildren(...rows)
}

/** @param {string} url */
async function classifyVideo(url) {
  const { sidecar } = await opened
  const [seconds, rate] = [await openVideo(url), fps()]
  await show(await middleClip(sidecar, { seconds, fps: rate }, (time) => pictureAt(time, 1 / rate)))
}

/** Classifies the last frames of the camera again and again, until a video is chosen. */
async function classifyCamera() {
  const { sidecar, clip } = await opened
  const { frames: length, sampling } = clip
  await startCamera()
  // Segments of a whole video have no length of their own: they are spread over two seconds.
  const gap = sampling?.kind === 'dense' ? (sampling.stride ?? 1) / (sampling.fps ?? fps()) : 2 / length
  for (const frames = []; showsCamera(); ) {
    const { pixels, width, height, channels } = picture()
    frames.push(cutFrame(sidecar, pixels, width, height, channels))
    if (frames.length === length) await show(frames.splice(0, length))
    await new Promise((resolve) => setTimeout(resolve, 1000 * gap))
  }
}

file.addEventListener('change', () => {
  const [chosen] = file.files ?? []
  if (chosen !== undefined) attempt(classifyVideo(URL.createObjectURL(chosen)))
})
get('camera').addEventListener('click', () => attempt(classifyCamera()))
const asked = new URLSearchParams(location.search).get('video')
const ready = opened.then(({ provider }) => say(`Ready (${provider}).`))
attempt(asked === null ? ready : ready.then(() => classifyVideo(asked)))
