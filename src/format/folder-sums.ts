/**
 * Checksums of the small files of a folder, in the format of `sha256sum`: a changed number in a JSON file gives other answers as surely as
 * a changed weight.
 */
import { readdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { checksumKey, describedByKey } from './checksum.ts'
import { fileDigest } from './file-digest.ts'
import { nullIfMissing } from './missing.ts'
import { largestTextBytes, readRegularText } from './regular-file.ts'
import { readSafetensors } from './safetensors.ts'

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

/**
 * Metadata of weights that belong to files of their folder: one of them that is removed together with its checksum is noticed, and so is
 * the removal of all checksums.
 */
export const describedBy = (names: readonly string[]): Readonly<Record<string, string>> => ({
  [describedByKey]: [...names, sumsFile].join(' '),
})

/** A comment for `sha256sum`. The same descriptions with other weights would name other classes. */
const tensorsLine = (name: string, checksum: string): string => `# tensors of ${name}: ${checksum}`

/**
 * Writes the checksums of files that are in the folder, in the place of earlier ones.
 *
 * @param weights safetensors files that belong to them, with a checksum in their metadata
 */
export async function writeSums(folder: string, names: readonly string[], weights: readonly string[]): Promise<void> {
  const lines = await Promise.all([
    ...weights.map(async (name) => tensorsLine(name, (await tensorsChecksum(path.join(folder, name))) ?? '')),
    ...names.map(async (name) => `${await fileDigest(path.join(folder, name))}  ${name}`),
  ])
  await writeFile(path.join(folder, sumsFile), `${lines.join('\n')}\n`)
}

/** What the metadata of a file say of its tensors; whether that is true is another matter (`requireIntact`). */
async function tensorsChecksum(file: string): Promise<string | null> {
  const opened = await readSafetensors(file)
  try {
    return opened.metadata[checksumKey] ?? null
  } finally {
    await opened.close()
  }
}

/**
 * Compares the files of a folder with their checksums. A folder of another program, or of an earlier version, has none.
 *
 * @param metadata of the weights in the folder: what `describedBy` put there must be in the folder and have a checksum
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the file that has changed, is missing or has no checksum
 */
export async function requireUnchanged(folder: string, metadata: Readonly<Record<string, string>>): Promise<void> {
  const sums = path.join(folder, sumsFile)
  const text = await readRegularText(sums).catch(nullIfMissing)
  const described = (metadata[describedByKey] ?? '').split(' ').filter(Boolean)
  if (text === null) {
    if (described.includes(sumsFile)) throw invalid(`${sums}, which the weights name`, 'there is none')
    return
  }
  const lines = text.split('\n')
  // An empty file is what a full disk leaves of one.
  if (lines.pop() !== '' || lines.length === 0 || lines.length > mostFiles)
    throw invalid(`checksums of 1 to ${mostFiles} files in ${sums}`)
  const seen = new Set<string>() // The checksums must not make the program read a file again and again.
  for (const line of lines) {
    const [, weights] = /^# tensors of ([^/\\\p{Cc}]+): [0-9a-f]{64}$/u.exec(line) ?? []
    if (weights !== undefined && !weights.startsWith('..')) {
      await requireTensors(path.join(folder, weights), weights, line)
      continue
    }
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
  const missing = unlisted ?? described.find((name) => name !== sumsFile && !seen.has(name))
  if (missing !== undefined) throw invalid(`a checksum of ${missing} in ${sums}`, 'there is none')
}

async function requireTensors(file: string, name: string, line: string): Promise<void> {
  const there = (await stat(file).catch(nullIfMissing)) !== null
  if (!there) throw invalid(`${file}, which the files next to it belong to`, 'there is none')
  const found = (await tensorsChecksum(file)) ?? ''
  if (tensorsLine(name, found) !== line)
    throw invalid(`${file} with the tensors that were written with the files next to it`)
}

function invalid(expected: string, received = 'it has others'): VideoMaeError {
  return new VideoMaeError(`Expected ${expected}, but ${received}.`, {
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    hint: `Take the whole folder from a copy. If you changed or added a file on purpose, put the line that \`sha256sum FILE\` prints into ${sumsFile}.`,
  })
}
