/** What a run writes down line by line, one JSON object each: `metrics.jsonl`, `bad-files.jsonl`, `validation.jsonl`. */
import { VideoMaeError } from '../core/errors.ts'
import { isMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'

/** The text of lines. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

/**
 * The lines of such a file; none where it does not exist. A last line that a kill has cut short is left out.
 *
 * @throws VideoMaeError `HISTORY_UNREADABLE` where the file cannot be read, or a line before the last one is damaged: a file that
 *   cannot be read is not an empty one
 */
export async function readHistory(file: string): Promise<Record<string, unknown>[]> {
  let text: string
  try {
    text = await readRegularText(file)
  } catch (cause) {
    if (isMissing(cause)) return []
    const why = (cause as Error).message.replace(/\.$/, '')
    throw new VideoMaeError(`Expected to read ${file}, which the run wrote: ${why}.`, {
      code: 'HISTORY_UNREADABLE',
      exit: 'environment',
      hint: 'Make the file readable, then continue. Nothing was changed.',
      cause,
    })
  }
  const lines = text.split('\n')
  const last = lines.pop() ?? '' // what follows the last end of a line: nothing, or a line that was cut short
  const values = lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const value = objectOrNull(line)
    if (value === null) throw damaged(file, i + 1)
    return [value]
  })
  const rest = objectOrNull(last)
  return rest === null ? values : [...values, rest]
}

function objectOrNull(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function damaged(file: string, line: number): VideoMaeError {
  return new VideoMaeError(`Expected one JSON object in every line of ${file}, but line ${line} is not one.`, {
    code: 'HISTORY_UNREADABLE',
    exit: 'data',
    hint: 'Repair or remove that line, then continue. Nothing was changed.',
  })
}
