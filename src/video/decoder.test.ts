import { expect, test } from 'vitest'
import { createDecoder } from './decoder.ts'
import type { DecoderName } from './types.ts'

test('a decoder of another name is refused, not replaced by the default', async () => {
  const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('"gstreamer"') }
  await expect(createDecoder('gstreamer' as DecoderName)).rejects.toMatchObject(refused)
})
