/** Times of a list: seconds, clock times, frames with a rate; in the spellings of spreadsheets of any country. */

/** What programs write for a value that is missing: R, pandas, databases. */
const missing: ReadonlySet<string> = new Set(['', 'NA', 'N/A', 'NaN', 'nan', 'NULL', 'null', 'None'])

export function isMissingField(field: string): boolean {
  return missing.has(field.trim())
}

/**
 * `1.5`, `1,5`, `1.5 s`, `00:00:01.5`, `1:30`.
 *
 * @returns undefined for what is no time of 0 or more
 */
export function parseSeconds(field: string): number | undefined {
  const text = field.trim().replace(/^(.*\d)\s*s(?:ec(?:onds?)?)?$/i, '$1')
  const clock = /^(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)$/.exec(text)
  if (clock !== null) {
    const [, hours = '0', minutes, seconds] = clock
    return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds.replace(',', '.'))
  }
  if (!/^\+?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?$/i.test(text)) return undefined
  const number = Number(text.replace(',', '.'))
  return Number.isFinite(number) ? number : undefined
}

/** A number of frames: `12`, and `12.0` as pandas writes whole numbers of a column with gaps. */
export function parseFrames(field: string): number | undefined {
  return /^\d+(?:\.0*)?$/.test(field.trim()) ? Number(field) : undefined
}

/**
 * The time of a frame, half a frame before it, so that rounding of time stamps moves no frame across the border.
 *
 * @param frame counted from 0
 */
export function secondsOfFrame(frame: number, fps: number): number {
  return frame === 0 ? 0 : Math.round(((frame - 0.5) / fps) * 1e6) / 1e6
}
