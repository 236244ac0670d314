/** An RGB picture, uint8 [height, width, 3]. */
export interface Picture {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

/**
 * Glyphs of 5 x 8 dots: five columns from left to right, two hexadecimal digits each, the lowest bit on top. They stand here
 * because a machine without fonts cannot draw text otherwise.
 */
const glyphs: Readonly<Record<string, string>> = {
  ' ': '0000000000',
  '+': '08083e0808',
  '-': '0808080808',
  '0': '3e5149453e',
  '1': '00427f4000',
  '2': '4261514946',
  '3': '2141454b31',
  '4': '1814127f10',
  '5': '2745454539',
  '6': '3c4a494930',
  '7': '0171090503',
  '8': '3649494936',
  '9': '064949291e',
  a: '2054545478',
  b: '7f48444438',
  c: '3844444420',
  d: '384444487f',
  e: '3854545418',
  f: '087e090102',
  g: '0c5252523e',
  h: '7f08040478',
  i: '00447d4000',
  j: '2040443d00',
  k: '7f10284400',
  l: '00417f4000',
  m: '7c04180478',
  n: '7c08040478',
  o: '3844444438',
  p: '7c14141408',
  q: '081414187c',
  r: '7c08040408',
  s: '4854545420',
  t: '043f444020',
  u: '3c4040207c',
  v: '1c2040201c',
  w: '3c4030403c',
  x: '4428102844',
  y: '0c5050503c',
  z: '4464544c44',
}

/** Pixels of a dot. */
const dot = 2
const glyphDots = { width: 5, height: 8 }
const advance = (glyphDots.width + 1) * dot

/** Pixels from one line of text to the next. */
export const lineHeight = (glyphDots.height + 2) * dot

/** Width of a line, pixels. */
export function textWidth(text: string): number {
  return Math.max(0, text.length * advance - dot)
}

/** Lines of whole words that are no wider than `width` pixels, where no single word is wider. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines[lines.length - 1]} ${word}`
    if (lines.length > 0 && textWidth(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

/**
 * Draws a line of lower-case letters, digits, `+` and `-` in black, its upper left corner at (x, y). Other characters stay
 * empty, and what is outside of the picture is left out.
 */
export function drawText({ data, width, height }: Picture, text: string, x: number, y: number): void {
  for (const [k, character] of [...text].entries()) {
    const columns = Buffer.from(glyphs[character] ?? glyphs[' '], 'hex')
    for (let i = 0; i < glyphDots.width * dot; i++) {
      for (let j = 0; j < glyphDots.height * dot; j++) {
        const [left, top] = [x + k * advance + i, y + j]
        const black = ((columns[Math.floor(i / dot)] >> Math.floor(j / dot)) & 1) === 1
        if (black && left < width && top < height) data.fill(0, (top * width + left) * 3, (top * width + left) * 3 + 3)
      }
    }
  }
}
