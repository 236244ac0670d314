/** The frames that examples/browser takes from a video, where the browser shows those of earlier seeks. */
import { expect, test } from 'vitest'
import { covers, showFrame } from '../../examples/browser/seek.mjs'

const duration = 1 / 25

/** A browser that shows these frames, one for each seek; the last one from then on. */
function browser(shown: readonly (number | null)[]) {
  let seeks = 0
  return { seek: async () => shown[Math.min(seeks++, shown.length - 1)], seeks: () => seeks }
}

test.each([
  [0.2, 0.201, true],
  [0.16, 0.201, false],
  [0.24, 0.201, false],
  [0.2, 0.2, true],
  // Times of frames are rounded to microseconds and to ticks of the file.
  [0.2 + 4e-4, 0.2, true],
  // The end of a video is the end of its last frame.
  [0.44, 0.48, true],
  [0.44, 0.5, false],
])('a frame at %d s is that of %d s: %s', (shown, seconds, wanted) => {
  expect(covers(shown, seconds, duration)).toBe(wanted)
})

test('a frame of an earlier seek is not taken', async () => {
  const { seek, seeks } = browser([0, 0, 0.16, 0.2])
  expect(await showFrame(seek, 0.201, duration)).toBe(0.2)
  expect(seeks()).toBe(4)
})

test('one seek is enough where it shows the frame', async () => {
  const { seek, seeks } = browser([0.2])
  expect(await showFrame(seek, 0.201, duration)).toBe(0.2)
  expect(seeks()).toBe(1)
})

test('a frame that lasts longer than the rate says is taken after three seeks that show it', async () => {
  const { seek, seeks } = browser([0.04, 0.1])
  expect(await showFrame(seek, 0.201, duration)).toBe(0.1)
  expect(seeks()).toBe(4)
})

test('a browser that does not say what it shows is trusted after three seeks', async () => {
  const { seek, seeks } = browser([null])
  expect(await showFrame(seek, 0.201, duration)).toBeNull()
  expect(seeks()).toBe(3)
})

test('a later frame is never taken', async () => {
  await expect(showFrame(browser([0.4]).seek, 0.201, duration)).rejects.toThrow(/does not show the picture at 0.201 s/)
})
