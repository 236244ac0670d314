// @ts-check
/**
 * The time of the next frame that is presented; null where the browser does not say it, or shows none for a second, as in a hidden tab.
 *
 * @param {HTMLVideoElement} video
 * @returns {Promise<number | null>}
 */
export async function presentedFrame(video) {
  const asked = 'requestVideoFrameCallback' in HTMLVideoElement.prototype
  if (!asked) return null
  return new Promise((resolve) => {
    const request = video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime))
    setTimeout(() => {
      video.cancelVideoFrameCallback(request)
      resolve(null)
    }, 1000)
  })
}
