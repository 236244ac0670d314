/** What a run writes down line by line, one JSON object each: `metrics.jsonl`, `bad-files.jsonl`, `validation.jsonl`. */
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { isMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'

/** The text of lines. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

/** Any JSON object. */
const anyLine = z.record(z.string(), z.unknown())

/**
 * The lines of such a file; none where it does not exist. A last line that a kill has cut short is left out.
 *
 * @throws VideoMaeError `HISTORY_UNREADABLE` where the file cannot be read, a line before the last one is damaged, or a line is not
 *   of the form of `schema`: a file that cannot be read is not an empty one
 */
export async function readHistory(file: string): Promise<Record<string, unknown>[]>
export async function readHistory<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.infer<Schema>[]>
export async function readHistory(file: string, schema: z.ZodType = anyLine): Promise<unknown[]> {
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
  const checked = (value: unknown, line: number): unknown => {
    const { success, error } = schema.safeParse(value)
    if (success) return value // not what the schema makes of it: fields keep their order
    const [{ path, message }] = error.issues
    throw otherForm(file, line, `${path.map(String).join('.')}: ${message}`)
  }
  const lines = text.split('\n')
  const last = lines.pop() ?? '' // what follows the last end of a line: nothing, or a line that was cut short
  const values = lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const value = objectOrNull(line)
    if (value === null) throw damaged(file, i + 1)
    return [checked(value, i + 1)]
  })
  const rest = objectOrNull(last)
  return rest === null ? values : [...values, checked(rest, lines.length + 1)]
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

function otherForm(file: string, line: number, found: string): VideoMaeError {
  return new VideoMaeError(`Expected the lines of ${file} as this program writes them, but in line ${line} ${found}.`, {
    code: 'HISTORY_UNREADABLE',
    exit: 'data',
    hint: 'Repair or remove that line, then continue. Nothing was changed.',
  })
}
