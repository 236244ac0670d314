import sharp from 'sharp'
import { expect, test } from 'vitest'
import { escapeXml } from './xml.ts'

test('any text can be a label of a picture', async () => {
  const labels = [
    'nul\0',
    'bell\u0007',
    'escape\u001b[31m',
    'half \ud800',
    'none \uffff',
    'two\nlines\t',
    '<&">',
    '\u0085',
  ]
  for (const label of labels) {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" aria-label="${escapeXml(label)}"><text>${escapeXml(label)}</text></svg>`
    await expect(sharp(Buffer.from(svg)).png().toBuffer(), JSON.stringify(label)).resolves.toBeDefined()
  }
  expect(escapeXml('a\u0007b\ud800c\td')).toBe('a\ufffdb\ufffdc\td')
})
