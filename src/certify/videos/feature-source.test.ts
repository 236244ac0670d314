import { expect, test } from 'vitest'
import { openFeatureSource } from './feature-source.ts'

test('a readout of pixels that is none is answered with all that pixels have', async () => {
  await expect(openFeatureSource('pixels', { readout: 'hogg' })).rejects.toMatchObject({
    code: 'READOUT_UNKNOWN',
    message: expect.stringMatching(/mean, grid, motion, motion-rms, .*; or hog; or hog-color/),
    hint: 'Did you mean hog?',
  })
})
