/** Names for the classes of a head that was published with numbers only: `classes.txt` next to its weights. */
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
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
  const twice = found.find((name, i) => found.indexOf(name) !== i)
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
  return namesInLines(decoded.text)
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
