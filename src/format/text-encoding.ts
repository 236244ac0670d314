/** Which encoding a text file has: programs on Windows write others than UTF-8, and none of them says so inside the file. */

export type TextEncoding = 'UTF-8' | 'UTF-16LE' | 'UTF-16BE' | 'Windows-1252'

export type DecodedText =
  | { readonly ok: true; readonly text: string; readonly encoding: TextEncoding }
  | {
      readonly ok: false
      /** `bytes`: no text at all, or an encoding that is not read. `eight-bit`: perhaps Windows-1252, perhaps another. */
      readonly kind: 'bytes' | 'eight-bit'
      readonly reason: string
      /** Line of the first byte that is not UTF-8, from 1. */
      readonly line: number
    }

/**
 * Decodes UTF-8 (with or without a byte order mark) and UTF-16 with one. What has null bytes and no mark is refused, so that
 * bytes of another encoding never become part of a path. Bytes that are not UTF-8 are refused as `eight-bit`:
 * `decodeWindows1252` reads them, where the caller can tell that this is what they are.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const [a, b, c, d] = bytes
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return refused('bytes', 'it is UTF-32', 1)
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return refused('bytes', 'it is UTF-32', 1)
  if (a === 0xff && b === 0xfe) return decodeAs(bytes.subarray(2), 'UTF-16LE')
  if (a === 0xfe && b === 0xff) return decodeAs(bytes.subarray(2), 'UTF-16BE')
  const zero = bytes.indexOf(0)
  if (zero >= 0) return refused('bytes', nullReason(bytes, zero), lineOf(bytes, zero))
  const text = a === 0xef && b === 0xbb && c === 0xbf ? bytes.subarray(3) : bytes
  const decoded = decodeAs(text, 'UTF-8')
  if (decoded.ok) return decoded
  const at = firstInvalid(text)
  return refused('eight-bit', `byte 0x${text[at].toString(16)} is not UTF-8`, lineOf(text, at))
}

/** Text of one byte a character, as Excel writes CSV files in Western Europe; null where a byte is none of Windows-1252. */
export function decodeWindows1252(bytes: Uint8Array): string | null {
  if (bytes.some((byte) => byte === 0x81 || byte === 0x8d || byte === 0x8f || byte === 0x90 || byte === 0x9d))
    return null
  return new TextDecoder('windows-1252').decode(bytes)
}

function refused(kind: 'bytes' | 'eight-bit', reason: string, line: number): DecodedText {
  return { ok: false, kind, reason, line }
}

function decodeAs(bytes: Uint8Array, encoding: 'UTF-8' | 'UTF-16LE' | 'UTF-16BE'): DecodedText {
  try {
    const text = new TextDecoder(encoding.toLowerCase(), { fatal: true, ignoreBOM: true }).decode(bytes)
    const zero = text.indexOf('\0')
    if (zero < 0) return { ok: true, text, encoding }
    return refused('bytes', 'it has null characters', text.slice(0, zero).split(/\r\n|\n|\r/).length)
  } catch {
    return refused('bytes', `it is not valid ${encoding}`, 1)
  }
}

/** Text in a Western alphabet has every second byte 0 in UTF-16. */
function nullReason(bytes: Uint8Array, zero: number): string {
  const sample = bytes.subarray(0, 4096)
  let [even, odd] = [0, 0]
  for (let i = 0; i < sample.length; i++) {
    if (sample[i] !== 0) continue
    if (i % 2 === 0) even++
    else odd++
  }
  const most = Math.max(even, odd)
  const utf16 = most > sample.length / 8 && Math.min(even, odd) < most / 4
  return utf16 ? 'it looks like UTF-16 without a byte order mark' : `byte ${zero} is 0, which does not occur in text`
}

/** Where strict decoding fails: behind the longest valid beginning, by bisection. */
function firstInvalid(bytes: Uint8Array): number {
  /** @param stream a character that is cut off at the end is not invalid */
  const isValid = (end: number, stream: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, end), { stream })
      return true
    } catch {
      return false
    }
  }
  let [low, high] = [0, bytes.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isValid(middle + 1, true)) low = middle + 1
    else high = middle
  }
  if (isValid(low, false)) return Math.min(low, bytes.length - 1)
  // What follows does not continue the character that begins before it: the beginning is what is wrong (0xe9 and a line end).
  let start = low - 1
  while (start > 0 && bytes[start] < 0xc0) start--
  return start
}

function lineOf(bytes: Uint8Array, at: number): number {
  let line = 1
  for (let i = 0; i < at; i++) if (bytes[i] === 0x0a || (bytes[i] === 0x0d && bytes[i + 1] !== 0x0a)) line++
  return line
}
