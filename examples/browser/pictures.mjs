// @ts-check
/** Pictures of the page's `<video>`, which shows a file or the camera. */
import { presentedFrame } from './presented.mjs'
import { showFrame } from './seek.mjs'

const video = /** @type {HTMLVideoElement} */ (document.getElementById('video'))

/** @param {'loadeddata' | 'seeked'} name */
const event = (name) =>
  new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true })
    video.addEventListener('error', () => reject(new Error('The browser cannot play this video.')), { once: true })
  })

/** The picture that is shown now. */
export function picture() {
  const { videoWidth: width, videoHeight: height } = video
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  if (context === null) throw new Error('The browser has no canvas.')
  context.drawImage(video, 0, 0)
  return { pixels: context.getImageData(0, 0, width, height).data, width, height, channels: 4 }
}

/**
 * Seeks, and waits until a frame is presented after it.
 *
 * @param {number} seconds
 * @returns {Promise<number | null>} the time of that frame; null where the browser does not say it, as in a hidden tab
 */
async function seek(seconds) {
  const ended = event('seeked')
  const presented = presentedFrame(video)
  video.currentTime = seconds
  await ended
  return presented
}

/**
 * The picture of the frame that is shown at a time.
 *
 * @param {number} seconds
 * @param {number} duration how long the video shows a frame, in seconds
 */
export async function pictureAt(seconds, duration) {
  await showFrame(seek, seconds, duration)
  return picture()
}

/** Opens a video and returns its length in seconds. @param {string} url */
export async function openVideo(url) {
  stopCamera()
  const loaded = event('loadeddata')
  video.src = url
  await loaded
  return video.duration
}

export async function startCamera() {
  const loaded = event('loadeddata')
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true })
  await loaded
  await video.play()
}

export const showsCamera = () => video.srcObject !== null

function stopCamera() {
  const stream = /** @type {MediaStream | null} */ (video.srcObject)
  for (const track of stream?.getTracks() ?? []) track.stop()
  video.srcObject = null
}
