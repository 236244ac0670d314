/** Results that commands have written as JSON, read and checked field by field. */
import path from 'node:path'
import type { z } from 'zod'
import { VideoMaeError } from '../../core/errors.ts'
import { fileDigest } from '../../format/file-digest.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { readHistory } from '../../train/history.ts'
import type { SourceFile } from '../page/model.ts'

/** The content of a JSON file; null where there is none. @throws VideoMaeError `RESULTS_INVALID` naming file and field */
export async function readResultFile<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): Promise<z.infer<Schema> | null> {
  const text = await readRegularText(file).catch(nullIfMissing)
  if (text === null) return null
  let document: unknown
  try {
    document = parseUniqueJson(text)
  } catch (error) {
    throw invalidResults(file, error instanceof Error ? error.message : String(error))
  }
  return checked(file, schema, document)
}

/**
 * The lines of a file with one JSON object in each; none where there is no file. A last line that a kill has cut short is left out.
 *
 * @throws VideoMaeError `RESULTS_INVALID` naming the line and field, `HISTORY_UNREADABLE`
 */
export async function readResultLines<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): Promise<z.infer<Schema>[]> {
  const lines = await readHistory(file)
  return lines.map((line, i) => checked(file, schema, line, `of object ${i + 1} `))
}

function checked<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  document: unknown,
  where = '',
): z.infer<Schema> {
  const { success, error, data } = schema.safeParse(document)
  if (success) return data
  const [issue] = error.issues
  throw invalidResults(file, `${issue.path.map(String).join('.')} ${where}is wrong: ${issue.message}`)
}

export function invalidResults(file: string, found: string): VideoMaeError {
  const shown = found.length <= 300 ? found : `${found.slice(0, 300)}...`
  return new VideoMaeError(`Expected ${file} as this program writes it, but: ${shown}.`, {
    code: 'RESULTS_INVALID',
    exit: 'data',
    hint: 'Make the result again, or copy the original file again.',
  })
}

/** Digests of those of the files that are there, for the page to name. */
export async function sourceFiles(folder: string, names: readonly string[]): Promise<SourceFile[]> {
  const found: SourceFile[] = []
  for (const name of names) {
    const sha256 = await fileDigest(path.join(folder, name)).catch(nullIfMissing)
    if (sha256 !== null) found.push({ file: name, sha256 })
  }
  return found
}
