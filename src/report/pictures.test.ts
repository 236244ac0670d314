import { expect, test } from 'vitest'
import { isReconstructionPicture } from './pictures.ts'

test.each([
  ['nothing', new Uint8Array()],
  ['no picture', Buffer.from('text')],
])('%s is not a picture of a reconstruction', async (_, bytes) => {
  expect(await isReconstructionPicture(bytes)).toBe(false)
})
