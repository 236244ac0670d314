/**
 * What a certificate was computed from, kept next to it: the ballots of every input, and for white-box certificates the costs of
 * flips. NumPy files, written and read a few inputs at a time, each named in the certificate with its SHA-256.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { replaceFile } from '../../format/atomic.ts'
import { bytesOf, readFully, valueCount, writeFully } from '../../format/file-bytes.ts'
import { type NpyDtype, npyHeader } from '../../format/npy.ts'
import { openRegularFile } from '../../format/regular-file.ts'
import { type Ballots, emptyBallots, firstOddRank, rankBytes } from '../rules/ballot.ts'

/** A file in the folder of the certificate. */
export interface StoredFile {
  /** Without a folder. */
  readonly file: string
  readonly sha256: string
}

/**
 * Ballots as an array [inputs, learners] (`places` 1: first choices) or [inputs, learners, classes] (classes, best first), uint8,
 * uint16 or uint32: the smallest that holds the number of classes. A learner that does not vote has `classes` in all places.
 */
export interface StoredBallots extends StoredFile {
  readonly inputs: number
  readonly learners: number
  readonly classes: number
  readonly places: number
}

/**
 * Flips of labels that change the vote of each learner: an array [inputs, learners, classes + 1] of float32: flips until it votes for
 * each class, then until it votes for any other class than now. Infinite where no flips do.
 */
export interface StoredFlips extends StoredFile {
  readonly samples: number
  readonly largestUnit: number
}

interface Layout {
  readonly shape: readonly number[]
  readonly dtype: NpyDtype
}

export type BallotShape = Pick<Ballots, 'inputs' | 'learners' | 'classes' | 'places'>

function ballotLayout({ inputs, learners, classes, places }: BallotShape): Layout {
  const shape = places === 1 ? [inputs, learners] : [inputs, learners, places]
  return { shape, dtype: `u${rankBytes(classes)}` }
}

function flipLayout({ inputs, learners, classes }: Omit<BallotShape, 'places'>): Layout {
  return { shape: [inputs, learners, classes + 1], dtype: 'f4' }
}

/**
 * Writes an array a part at a time; the file appears whole or not at all.
 *
 * @param fill calls `add` with the values in order
 * @returns what `fill` returned
 */
async function writeArray<Result>(
  folder: string,
  name: string,
  { shape, dtype }: Layout,
  fill: (add: (values: ArrayBufferView) => Promise<void>) => Promise<Result>,
): Promise<{ readonly stored: StoredFile; readonly result: Result }> {
  const hash = createHash('sha256')
  let result: { readonly value: Result } | undefined
  await replaceFile(path.join(folder, name), async (temporary) => {
    const file = await open(temporary, 'w')
    const add = async (values: ArrayBufferView): Promise<void> => {
      const bytes = bytesOf(values)
      // Copies: hashing may not read shared memory.
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.slice(at, at + pieceBytes)
        hash.update(piece)
        await writeFully(file, piece)
      }
    }
    try {
      await add(npyHeader(shape, dtype))
      result = { value: await fill(add) }
      await file.sync()
    } finally {
      await file.close()
    }
  })
  if (result === undefined) throw new Error('nothing was written')
  return { stored: { file: name, sha256: hash.digest('hex') }, result: result.value }
}

const pieceBytes = 2 ** 24

/** SHA-256 of the ballots alone: a name by which ballots of several sources can be in one folder. */
export function ballotsDigest({ ranks }: Pick<Ballots, 'ranks'>): string {
  const hash = createHash('sha256')
  const bytes = bytesOf(ranks)
  for (let at = 0; at < bytes.length; at += pieceBytes) hash.update(bytes.slice(at, at + pieceBytes))
  return hash.digest('hex')
}

/** Writes `ballots-NAME.npy`. */
export async function writeBallots<Result>(
  folder: string,
  name: string,
  shape: BallotShape,
  fill: (add: (ballots: Ballots) => Promise<void>) => Promise<Result>,
): Promise<{ readonly stored: StoredBallots; readonly result: Result }> {
  const written = await writeArray(folder, `ballots-${name}.npy`, ballotLayout(shape), (add) =>
    fill(({ ranks }) => add(ranks)),
  )
  const { inputs, learners, classes, places } = shape
  return { stored: { ...written.stored, inputs, learners, classes, places }, result: written.result }
}

/** Writes `flips-NAME.npy`. */
export async function writeFlips<Result>(
  folder: string,
  name: string,
  shape: Omit<BallotShape, 'places'>,
  fill: (add: (costs: Float32Array) => Promise<void>) => Promise<Result>,
): Promise<{ readonly stored: StoredFile; readonly result: Result }> {
  return writeArray(folder, `flips-${name}.npy`, flipLayout(shape), fill)
}

/** A stored array that is read from its first input to its last. */
class ArrayReader {
  private readonly location: string
  private readonly file: Awaited<ReturnType<typeof openRegularFile>>
  private readonly hash = createHash('sha256')
  private position = 0

  private constructor(location: string, file: Awaited<ReturnType<typeof openRegularFile>>) {
    this.location = location
    this.file = file
  }

  static async open(folder: string, name: string, { shape, dtype }: Layout): Promise<ArrayReader> {
    const location = path.join(folder, name)
    const file = await openRegularFile(location).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      throw new VideoMaeError(`Expected ${name} next to the certificate, but there is no ${location}.`, {
        code: 'CERTIFICATE_FILE_MISSING',
        exit: 'data',
        hint: 'Get all files that the certificate names: they are published together.',
      })
    })
    const reader = new ArrayReader(location, file)
    try {
      const header = npyHeader(shape, dtype)
      const { size } = await file.stat()
      const bytes = header.length + valueCount(shape) * Number(dtype.slice(1))
      if (size !== bytes)
        throw invalidStored(location, `${bytes} bytes for an array (${shape.join(', ')}) of ${dtype}`, `${size} bytes`)
      const found = new Uint8Array(header.length)
      await reader.read(found)
      if (found.some((byte, i) => byte !== header[i]))
        throw invalidStored(location, `the header of an array (${shape.join(', ')}) of ${dtype}`, 'another one')
      return reader
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Fills `target` with the bytes that come next. */
  async read(target: Uint8Array): Promise<void> {
    if ((await readFully(this.file, target, this.position)) !== target.length)
      throw invalidStored(this.location, 'a whole file', 'a file that was cut short while it was read')
    this.position += target.length
    this.hash.update(target)
  }

  async close(): Promise<void> {
    await this.file.close()
  }

  /** Of all that was read. */
  digest(): string {
    return this.hash.digest('hex')
  }
}

export function invalidStored(location: string, expected: string, found: string): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} in ${location}, but found ${found}.`, {
    code: 'CERTIFICATE_INVALID',
    exit: 'data',
    hint: 'The file does not belong to this certificate, or it is damaged: get all files again.',
  })
}

/** Ballots that are read in turns, with the costs of flips where there are some. */
export interface StoredTurn {
  /** Number of the first input of the turn. */
  readonly from: number
  readonly ballots: Ballots
  /** [inputs, learners, classes + 1] */
  readonly flips: Float32Array | null
}

/** Bytes of ballots held at once. */
const turnBytes = 2 ** 26

/**
 * Reads stored ballots, checked: each is a class, a strict order of all classes, or an abstention.
 *
 * @param take is given a few inputs at a time, in order
 * @returns SHA-256 of the files that were read
 * @throws VideoMaeError `CERTIFICATE_FILE_MISSING`, `CERTIFICATE_INVALID` naming file, input and learner
 */
export async function readStored(
  folder: string,
  stored: StoredBallots,
  flips: StoredFlips | null,
  take: (turn: StoredTurn) => Promise<void>,
): Promise<{ readonly ballots: string; readonly flips: string | null }> {
  const { inputs, learners, classes, places } = stored
  const ranks = await ArrayReader.open(folder, stored.file, ballotLayout(stored))
  let costs: ArrayReader | null = null
  try {
    costs = flips === null ? null : await ArrayReader.open(folder, flips.file, flipLayout(stored))
    const ofInput = learners * places * rankBytes(classes) + (flips === null ? 0 : 4 * learners * (classes + 1))
    const turn = Math.max(1, Math.min(4096, Math.floor(turnBytes / Math.max(1, ofInput))))
    for (let from = 0; from < inputs; from += turn) {
      const count = Math.min(turn, inputs - from)
      const ballots = emptyBallots(count, learners, classes, places)
      // Not into shared memory, which hashing may not read.
      const bytes = new Uint8Array(ballots.ranks.byteLength)
      await ranks.read(bytes)
      bytesOf(ballots.ranks).set(bytes)
      checkBallots(path.join(folder, stored.file), ballots, from)
      const mine = costs === null ? null : new Float32Array(count * learners * (classes + 1))
      if (mine !== null) {
        await costs?.read(bytesOf(mine))
        const wrong = mine.findIndex((value) => !(value >= 0))
        if (wrong >= 0)
          throw invalidStored(
            path.join(folder, flips?.file ?? ''),
            `flips from 0 up at input ${from + Math.floor(wrong / (learners * (classes + 1)))}`,
            String(mine[wrong]),
          )
      }
      await take({ from, ballots, flips: mine })
    }
    return { ballots: ranks.digest(), flips: costs?.digest() ?? null }
  } finally {
    await ranks.close()
    await costs?.close()
  }
}

function checkBallots(location: string, { ranks, inputs, learners, classes, places }: Ballots, first: number): void {
  const odd = firstOddRank(ranks, inputs * learners, classes, places)
  if (odd === null) return
  const where = `at input ${first + Math.floor(odd.ballot / learners)}, base classifier ${odd.ballot % learners}`
  const expected = places === 1 ? `a class below ${classes}` : `each of ${classes} classes once`
  const found = `${ranks[odd.ballot * places + odd.place]} at place ${odd.place}`
  throw invalidStored(location, `${expected}, or ${classes} for no vote, ${where}`, found)
}
