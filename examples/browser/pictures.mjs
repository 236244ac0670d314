// @ts-check
/** Pictures of the page's `<video>`, which shows a file or the camera. */
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
 * The time of the next frame that becomes the picture, in seconds; null where the browser does not tell, or shows none for a second, as
 * in a hidden page. `seeked` alone is not enough: on a busy machine it comes before the frame.
 *
 * @returns {Promise<number | null>}
 */
const nextFrame = () =>
  new Promise((resolve) => {
    if (!('requestVideoFrameCallback' in video)) return resolve(null)
    video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime))
    setTimeout(() => resolve(null), 1000)
  })

const mostSeeks = 5

/** The picture at a time of the video. @param {number} seconds */
export async function pictureAt(seconds) {
  for (let seek = 1; ; seek++) {
    const [sought, frame] = [event('seeked'), nextFrame()]
    video.currentTime = seconds
    await sought
    const time = await frame
    // A frame that begins later is not that of this time: it was still on its way when the video was opened.
    if (time === null || time <= seconds + 1e-3 || seek === mostSeeks) return picture()
  }
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
