/**
 * The classes of a certificate. An attacker who inserts videos invents classes, too: a list that is read off the data is his to
 * change, and with it indices, ties and the shapes of heads. So it is either declared, or none is assumed: see docs/certificates.md.
 */
import { stat } from 'node:fs/promises'
import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { printable } from '../../core/printable.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { readRegularFile } from '../../format/regular-file.ts'
import { decodeText } from '../../format/text-encoding.ts'
import { namesInLines, otherThanNames } from '../../inference/class-names.ts'
import { sha256 } from '../ensemble/hash.ts'
import { compareClassNames, otherClasses } from '../threat/class-names.ts'

export interface ClassList {
  /** Null: any names. */
  readonly declared: readonly string[] | null
  /** `labels`, `declared`, or the file that was read. */
  readonly from: string
  /** SHA-256 of the bytes of that file; null without one. */
  readonly sha256: string | null
}

/**
 * Classes as they were declared: some names, or one file with a name in each line or with the `id2label` of a classifier.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for names that are blank or repeat, `CLASSES_INVALID` for a file of such names or of none,
 *   or with a header, a comment, indices or quotes; `FILE_NOT_REGULAR`, `CLASSES_TOO_FEW`
 */
export async function declaredClasses(given: readonly string[] | undefined): Promise<ClassList> {
  if (given === undefined) return { declared: null, from: 'labels', sha256: null }
  const [first] = given
  // A pipe or a device is no name: reading it says that it is no regular file.
  const found = given.length === 1 ? await stat(first).catch(() => null) : null
  const file = found !== null && !found.isDirectory()
  const bytes = file ? await readRegularFile(first, { maxBytes: largestClassFile }) : null
  // As labels are read: accents composed.
  const names = (bytes === null ? given : namesOf(textOf(bytes, first), first)).map((name) => name.normalize('NFC'))
  const problem = problemOf(names)
  if (problem !== null)
    throw bytes === null ? invalidArgument('classes', problem.expected, problem.found) : invalidFile(first, problem)
  if (names.length < 2) throw tooFew(file ? first : 'the declared list', names, declaredHint)
  return { declared: names, from: file ? first : 'declared', sha256: bytes === null ? null : sha256(bytes) }
}

interface Problem {
  readonly expected: string
  readonly found: string
}

function problemOf(names: readonly string[]): Problem | null {
  const blank = names.findIndex((name) => name.trim() === '')
  if (blank >= 0)
    return { expected: 'names that are not blank', found: `name ${blank + 1} of ${names.length} is blank` }
  const seen = new Set<string>()
  // `add` is always true: the first name that was there before is found.
  const again = names.find((name) => seen.has(name) || !seen.add(name))
  if (again !== undefined) return { expected: 'different names', found: `${again.slice(0, 80)} twice` }
  const reserved = names.find((name) => otherClasses.includes(name))
  return reserved === undefined ? null : { expected: `names other than ${reserved}`, found: reserved }
}

function invalidFile(file: string, { expected, found }: Problem): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} in the list of classes ${file}, but found ${printable(found)}.`, {
    code: 'CLASSES_INVALID',
    exit: 'data',
    hint: 'Use a text file in UTF-8 with one name in each line, or config.json of a classifier. Names that such a file cannot have: separate them by commas instead of naming a file.',
  })
}

/**
 * The names that class indices count: the declared ones, or those of the labels behind two that stand for all others.
 *
 * @throws VideoMaeError `CLASSES_TOO_FEW`
 */
export function classNamesOf({ declared }: ClassList, labels: Iterable<string>, source: string): readonly string[] {
  if (declared !== null) return declared
  const found = [...new Set(labels)].sort(compareClassNames)
  if (found.length < 2) throw tooFew(source, found, dataHint)
  return [...otherClasses, ...found]
}

/** At most so many classes are named in a line. */
const namedClasses = 8

/**
 * Which classes a claim is about, in a line.
 *
 * @param data `any`, or `declared` and where that was: `declared`, or a file
 * @param names [classes] as the certificate has them
 */
export function describeClasses(
  { classes, classesFrom }: { readonly classes: 'any' | 'declared'; readonly classesFrom: string },
  names: readonly string[],
): string {
  if (classes === 'any') return 'any: the claim holds whatever classes there are'
  const where = classesFrom === 'declared' ? '' : ` in ${classesFrom}`
  const more = names.length > namedClasses ? ', ...' : ''
  return printable(`${names.length} declared${where}: ${names.slice(0, namedClasses).join(', ')}${more}`)
}

function namesOf(text: string, file: string): string[] {
  if (!file.endsWith('.json')) {
    const other = otherThanNames(text)
    if (other !== null) throw invalidFile(file, other)
    return namesInLines(text)
  }
  const parsed = classifierSchema.safeParse(jsonOrNull(text))
  if (!parsed.success)
    throw invalidFile(file, { expected: 'id2label, as config.json of a classifier has it,', found: 'none' })
  return Object.entries(parsed.data.id2label)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, name]) => name)
}

const classifierSchema = z.looseObject({ id2label: z.record(z.string().regex(/^\d+$/), z.string()) })

function jsonOrNull(text: string): unknown {
  try {
    return parseUniqueJson(text)
  } catch {
    return null
  }
}

/** Names are few: a larger file is another one. Bytes. */
const largestClassFile = 2 ** 24

function textOf(bytes: Buffer, file: string): string {
  const decoded = decodeText(bytes)
  if (decoded.ok) return decoded.text
  throw invalidFile(file, { expected: 'text in UTF-8', found: `in line ${decoded.line} that ${decoded.reason}` })
}

const declaredHint = 'Name the classes, separated by commas, or an existing file with a name in each line.'
const dataHint = 'In a folder, every class is a sub-folder; in a CSV, the second column is the class.'

function tooFew(source: string, names: readonly string[], hint: string): VideoMaeError {
  const found = names.length === 0 ? 'none' : `${names.length}: ${names.join()}`
  return new VideoMaeError(`Expected at least two classes in ${source} but found ${found}.`, {
    code: 'CLASSES_TOO_FEW',
    exit: 'data',
    hint,
  })
}
