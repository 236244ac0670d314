/**
 * Checksums of the small files of a folder, in the format of `sha256sum`: a changed number in a JSON file gives other answers as surely as
 * a changed weight.
 */
import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { fileDigest } from './file-digest.ts'
import { nullIfMissing } from './missing.ts'
import { largestTextBytes, readRegularText } from './regular-file.ts'

/** `sha256sum -c videomae.sha256` reads it. */
export const sumsFile = 'videomae.sha256'

/** Files that say what the weights of a folder compute: of Hugging Face, then of this program's classifiers. */
export const describingFiles: readonly string[] = [
  'config.json',
  'preprocessor_config.json',
  'video_preprocessor_config.json',
  'classifier.json',
  'clip.json',
]

/** Far above what a folder of weights has next to them. */
const mostFiles = 100

/** Writes the checksums of files that are in the folder, in the place of earlier ones. */
export async function writeSums(folder: string, names: readonly string[]): Promise<void> {
  const lines = await Promise.all(names.map(async (name) => `${await fileDigest(path.join(folder, name))}  ${name}\n`))
  await writeFile(path.join(folder, sumsFile), lines.join(''))
}

/**
 * Compares the files of a folder with their checksums. A folder of another program, or of an earlier version, has none.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the file that has changed, is missing or has no checksum
 */
export async function requireUnchanged(folder: string): Promise<void> {
  const sums = path.join(folder, sumsFile)
  const text = await readRegularText(sums).catch(nullIfMissing)
  if (text === null) return
  const lines = text.split('\n')
  // An empty file is what a full disk leaves of one.
  if (lines.pop() !== '' || lines.length === 0 || lines.length > mostFiles)
    throw invalid(`checksums of 1 to ${mostFiles} files in ${sums}`)
  const seen = new Set<string>() // The checksums must not make the program read a file again and again.
  for (const line of lines) {
    const [, digest, name] = /^([0-9a-f]{64}) {2}([^/\\\p{Cc}]+)$/u.exec(line) ?? []
    if (digest === undefined || name.startsWith('..') || seen.has(name))
      throw invalid(`a checksum and the name of a file of its folder in each line of ${sums}`)
    seen.add(name)
    const file = path.join(folder, name)
    const found = await fileDigest(file, { maxBytes: largestTextBytes }).catch(nullIfMissing)
    if (found === digest) continue
    const received = found === null ? 'there is none' : `it has ${found}`
    throw invalid(`${file} as it was written, with SHA-256 ${digest}`, received)
  }
  // A line that is gone would leave its file unchecked.
  const unlisted = (await readdir(folder)).find((name) => describingFiles.includes(name) && !seen.has(name))
  if (unlisted !== undefined) throw invalid(`a checksum of ${unlisted} in ${sums}`, 'there is none')
}

function invalid(expected: string, received = 'it has others'): VideoMaeError {
  return new VideoMaeError(`Expected ${expected}, but ${received}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: `Take the file from a copy. If you changed or added it on purpose, remove ${sumsFile} from its folder.`,
  })
}
