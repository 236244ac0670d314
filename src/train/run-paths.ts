/** Paths of a run as it writes them down. */
import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * The configuration of a run with absolute paths, so that it continues from any working folder: `data.path`, `probe.cache`, and `model.from`
 * where that exists (`scratch` and what is no path stay as they are).
 *
 * @param plain in the form recipes have
 */
export function withAbsolutePaths(plain: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const absolute = (value: unknown): unknown => (typeof value === 'string' ? path.resolve(value) : value)
  const start = (value: unknown): unknown => (typeof value === 'string' && existsSync(value) ? absolute(value) : value)
  const many = (value: unknown): unknown => (Array.isArray(value) ? value.map(absolute) : absolute(value))
  return replaced(replaced(replaced(plain, 'data', 'path', many), 'model', 'from', start), 'probe', 'cache', absolute)
}

function replaced(
  plain: Readonly<Record<string, unknown>>,
  section: string,
  key: string,
  by: (value: unknown) => unknown,
): Record<string, unknown> {
  const values = plain[section]
  if (typeof values !== 'object' || values === null || !Object.hasOwn(values, key)) return { ...plain }
  return { ...plain, [section]: { ...values, [key]: by((values as Record<string, unknown>)[key]) } }
}
