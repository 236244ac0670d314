// @ts-check
/** A browser may report the end of a seek before it shows the frame: under load the frame of an earlier seek is still there. */

/** Seconds by which times of frames may be rounded. Pictures are asked for 1 ms behind the beginning of a frame. */
const rounding = 5e-4
const [attempts, alike] = [10, 3]

/**
 * Whether a frame is the one of a time.
 *
 * @param {number} shown time of the frame, in seconds
 * @param {number} seconds
 * @param {number} duration how long the video shows a frame, in seconds
 */
export const covers = (shown, seconds, duration) => shown <= seconds + rounding && seconds < shown + duration + rounding

/**
 * Seeks until the frame of a time is shown. A frame that lasts longer than `duration` is taken where several seeks in a row show it.
 *
 * @param {(seconds: number) => Promise<number | null>} seek seeks once; the time of the frame that is shown then, null where the
 *   browser does not say it
 * @param {number} seconds
 * @param {number} duration how long the video shows a frame, in seconds
 * @returns {Promise<number | null>} the time of the frame; null where the browser says none
 */
export async function showFrame(seek, seconds, duration) {
  let [last, times] = [/** @type {number | null} */ (Number.NaN), 0]
  for (let attempt = 0; attempt < attempts; attempt++) {
    const shown = await seek(seconds)
    if (shown !== null && covers(shown, seconds, duration)) return shown
    times = shown === last ? times + 1 : 1
    last = shown
    if (times === alike && (shown === null || shown <= seconds + rounding)) return shown
  }
  throw new Error(`The browser does not show the picture at ${seconds} s.`)
}
