import type { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'

/**
 * The content of a JSON file next to weights.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the keys that do not fit
 */
export function parseFile<T>(file: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the file'}: ${message} (it is ${shown(valueAt(value, path))})`,
  )
  throw invalidFile(file, issues.join('; '))
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value)
}

/** At most 60 characters. */
function shown(value: unknown): string {
  const text = value === undefined ? 'absent' : JSON.stringify(value)
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`
}

export function invalidFile(file: string, what: string): VideoMaeError {
  return new VideoMaeError(`Expected a VideoMAE ${file}, but ${what}.`, { code: 'CHECKPOINT_INVALID', exit: 'data' })
}

/** Keys of an object that are not among the known ones. */
export function keysNamed(value: object, known: Iterable<string>): string[] {
  const all = new Set(known)
  return Object.keys(value).filter((key) => !all.has(key))
}
