/** Lists in JSON (Something-Something, `metadata.jsonl`) are not read: which columns to write, and a command that does. */
import { VideoMaeError } from '../../core/errors.ts'
import { roleOf } from './columns.ts'

/** Whether a text is JSON: an object, a list of them, or an object a line. */
export function isJson(content: string): boolean {
  return /^\s*(?:\{|\[\s*[{["\]])/.test(content)
}

/**
 * @param content of the list
 * @returns `MANIFEST_INVALID` with the keys of its first object
 */
export function jsonList(content: string, file: string): VideoMaeError {
  const isArray = content.trimStart().startsWith('[')
  const keys = keysOfFirst(content)
  const pathKey = keyOf(keys, 'path') ?? keyOf(keys, 'id')
  // The class of Something-Something is the template; its label names the things in it.
  const labelKey = keys.includes('template') ? 'template' : keyOf(keys, 'label')
  const found = keys.length === 0 ? 'JSON' : `JSON (the keys of its first object are ${keys.slice(0, 8).join(', ')})`
  const chosen = [pathKey, labelKey].filter((key) => key !== undefined)
  const values = `[${chosen.map((key) => `.${key}`).join(', ')}] | @csv`
  const hint =
    pathKey === undefined
      ? 'Write it as a CSV file with the columns path,label.'
      : `Write it as CSV: (echo '${chosen.length === 2 ? 'path,label' : 'path'}'; jq -r '${isArray ? '.[] | ' : ''}${values}' ${JSON.stringify(file)}) > list.csv. Paths may leave out an extension.`
  return new VideoMaeError(`${file}:1: expected a list as lines of text, but this is ${found}.`, {
    code: 'MANIFEST_INVALID',
    exit: 'data',
    hint,
  })
}

function keyOf(keys: readonly string[], role: 'path' | 'id' | 'label'): string | undefined {
  return keys
    .filter((key) => /^\w+$/.test(key) && roleOf(key)?.role === role)
    .toSorted((a, b) => (roleOf(a)?.rank ?? 0) - (roleOf(b)?.rank ?? 0))[0]
}

/** Keys of the first object that is whole within the first kilobytes. */
function keysOfFirst(content: string): string[] {
  const start = content.indexOf('{')
  if (start < 0) return []
  const head = content.slice(start, start + 10_000)
  for (let end = head.indexOf('}'), tries = 0; end >= 0 && tries < 20; end = head.indexOf('}', end + 1), tries++) {
    try {
      return Object.keys(JSON.parse(head.slice(0, end + 1)) as object)
    } catch {
      // The object continues.
    }
  }
  return []
}
