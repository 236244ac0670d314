/** Names for the classes of a head that was published with numbers only: `classes.txt` next to its weights. */
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { firstRepeated } from '../core/first-repeated.ts'
import { lineEnd } from '../format/csv.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularFile } from '../format/regular-file.ts'
import { decodeText } from '../format/text-encoding.ts'
import { folderOf } from '../train/open-checkpoint.ts'

const classesFile = 'classes.txt'
/** Names are few: a larger file is another one. Bytes. */
const largestFile = 2 ** 24

/** What transformers calls class `index` where nobody named it. */
const placeholder = (index: number): string => `LABEL_${index}`

/**
 * The names of the outputs of a head: those of its `config.json`, else those of `classes.txt` next to the weights (a name on each line,
 * in the order of the outputs), else their numbers, as the lists of published code call them.
 *
 * @param where folder or file of the weights
 * @param named names of `config.json`; null where it has none
 * @param classes number of outputs
 * @throws VideoMaeError `CHECKPOINT_INVALID` for a `classes.txt` with another number of names, with a name twice, that is no text, or
 *   that contradicts `config.json`
 */
export async function classNames(
  where: string,
  named: readonly string[] | null,
  classes: number,
): Promise<readonly string[]> {
  const file = path.join(folderOf(where), classesFile)
  const found = await namesOf(file)
  const own = named?.every((name, i) => name === placeholder(i)) === true ? null : named
  if (found === null) return named ?? Array.from({ length: classes }, (_, c) => String(c))
  if (found.length !== classes) throw invalid(file, `${classes} names, one for each output`, `${found.length}`)
  const twice = firstRepeated(found)
  if (twice !== undefined) throw invalid(file, 'names that differ', `${quoted(twice)} twice`)
  const other = own?.findIndex((name, i) => name.normalize('NFC') !== found[i]) ?? -1
  if (other >= 0)
    throw invalid(file, `the names of config.json (output ${other}: ${quoted(own![other])})`, quoted(found[other]))
  return own ?? found
}

/** @returns null where there is no such file */
async function namesOf(file: string): Promise<readonly string[] | null> {
  const bytes = await readRegularFile(file, { maxBytes: largestFile }).catch(nullIfMissing)
  if (bytes === null) return null
  const decoded = decodeText(bytes)
  if (!decoded.ok) throw invalid(file, 'text in UTF-8', `in line ${decoded.line} that ${decoded.reason}`)
  const other = otherThanNames(decoded.text)
  if (other !== null) throw invalid(file, other.expected, other.found)
  return namesInLines(decoded.text)
}

/** What the first line of a table is called. A class may have such a name, but one name too many moves all others by one. */
const headers: ReadonlySet<string> = new Set([
  ...['name', 'names', 'label', 'labels', 'class', 'classes', 'category', 'categories'],
  ...['label_name', 'label_names', 'class_name', 'class_names', 'classname', 'classnames'],
  ...['id', 'index', 'label_id', 'class_id'],
])

/** An index in front of a name, or behind it. */
const indices = [/^\d+\s*[,;:]\s*\S/, /\S\s*[,;]\s*\d+$/]

/**
 * The first line of a list of names that is something else: a header, a comment, a name with its index, a name in quotes.
 *
 * @returns null where every line is a name
 */
export function otherThanNames(text: string): { readonly expected: string; readonly found: string } | null {
  const lines = text.split(lineEnd).map((line, i) => ({ line: line.trim(), number: i + 1 }))
  const names = lines.filter(({ line }) => line !== '')
  if (names.length === 0) return null
  const [first] = names
  const found = ({ line, number }: { readonly line: string; readonly number: number }, what: string) => ({
    expected: 'one class name and nothing else in each line',
    found: `${what} in line ${number}: ${quoted(line)}`,
  })
  const words = first.line.split(/[\t,;]/).map((word) => word.trim().replace(/^["']|["']$/g, ''))
  if (words.every((word) => headers.has(word.toLowerCase().replaceAll(/[ -]/g, '_'))))
    return found(first, 'what may be a header (remove the first line if it is one)')
  const comment = names.find(({ line }) => line.startsWith('#'))
  if (comment !== undefined) return found(comment, 'a comment')
  const tab = names.find(({ line }) => line.includes('\t'))
  if (tab !== undefined) return found(tab, 'a tab')
  const inQuotes = names.find(({ line }) => /^(["']).*\1$/.test(line) && line.length > 1)
  if (inQuotes !== undefined) return found(inQuotes, 'a name in quotes')
  const start = Number.parseInt(first.line, 10)
  const counted =
    (start === 0 || start === 1) && names.every(({ line }, i) => new RegExp(`^0*${start + i}\\s+\\S`).test(line))
  if (counted || indices.some((index) => names.every(({ line }) => index.test(line))))
    return found(first, 'an index beside the name')
  return null
}

/** A name in each line that is not blank; accents composed, as labels are read. */
export function namesInLines(text: string): string[] {
  const names = text.split(lineEnd).map((line) => line.trim().normalize('NFC'))
  return names.filter((name) => name !== '')
}

/** In a message: a line may be as long as the file. */
function quoted(name: string): string {
  return JSON.stringify(name.length <= 80 ? name : `${name.slice(0, 80)}...`)
}

function invalid(file: string, expected: string, found: string): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} in ${file}, but found ${found}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: 'Write one name on each line, in the order of the outputs, or remove the file. data/classes has the lists of published data sets.',
  })
}
