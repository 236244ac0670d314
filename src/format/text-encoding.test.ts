import { expect, test } from 'vitest'
import { decodeText } from './text-encoding.ts'

test.each([
  ['in the middle of a line', 'a\nb\xfcc\n', '0xfc', 2],
  ['at the end of a line', 'a\nb\xe9\nc\n', '0xe9', 2],
  ['at the end of the text', 'a\nb\xe9', '0xe9', 2],
  ['behind a part of a character', 'a\xe2\x82b\n', '0xe2', 1],
  ['which begins no character', '\x80a\n', '0x80', 1],
])('the first byte that is not UTF-8 is named: %s', (_, text, byte, line) => {
  expect(decodeText(Buffer.from(text, 'latin1'))).toMatchObject({
    ok: false,
    kind: 'eight-bit',
    line,
    reason: `byte ${byte} is not UTF-8`,
  })
})
