/**
 * What a video looks like, in a few hundred bits that hardly change when it is encoded again, at another size or rate. Perceptual hashes: the
 * signs of low frequencies (discrete cosine transform) of a small gray picture, as pHash has them (Zauner 2010).
 */

/** Side of the pictures that signatures are made of, in pixels. */
export const signatureSide = 32
/** Pictures that signatures are made of, evenly over a video. The first and the last are left out: they are black or cut off in many. */
export const signatureSampling = { kind: 'spread', frames: 8 } as const

/** Low frequencies in each direction. */
const frequencies = 8
const wordsOfPicture = (frequencies * frequencies) / 32
/** Gray levels below which a picture, or a change from one to the next, has nothing to tell (standard deviation). */
const flat = 3
/** What coding and scaling change of a coefficient, which is a sum over all pixels: closer to the median a bit is not sure. */
const noise = 60
/** Bits that have to be sure in both pictures. */
const fewestBits = 12
/** Pictures that have to tell something. */
const fewest = 3

/** Hashes of the pictures of a video, and of the changes from one to the next; null where there is nothing to tell. */
export interface PictureSignature {
  readonly pictures: readonly (Hash | null)[]
  readonly changes: readonly (Hash | null)[]
}

/** One bit for each pair of low frequencies: whether its coefficient is above the median, and whether that is sure. */
interface Hash {
  readonly above: Uint32Array
  readonly sure: Uint32Array
}

/** @param clip uint8 [8, signatureSide, signatureSide, 3], the whole picture of each frame */
export function pictureSignature(clip: Uint8Array): PictureSignature {
  const area = signatureSide * signatureSide
  const grays = Array.from({ length: signatureSampling.frames - 2 }, (_, t) =>
    Float64Array.from({ length: area }, (_, i) => {
      const at = 3 * ((t + 1) * area + i)
      return 0.299 * clip[at] + 0.587 * clip[at + 1] + 0.114 * clip[at + 2]
    }),
  )
  return {
    pictures: grays.map(hashOf),
    changes: grays.slice(1).map((gray, t) => hashOf(gray.map((value, i) => value - grays[t][i]))),
  }
}

/** How far apart two signatures are: shares of the bits that differ, from 0 to 1. `changes` is null where neither moves. */
export interface SignatureDistance {
  readonly pictures: number
  readonly changes: number | null
}

/** @returns null where too few pictures can be compared: black or plain ones say nothing */
export function signatureDistance(a: PictureSignature, b: PictureSignature): SignatureDistance | null {
  const pictures = meanDistance(a.pictures, b.pictures, fewest)
  return pictures === null ? null : { pictures, changes: meanDistance(a.changes, b.changes, 2) }
}

/** Mean over what has a hash on both sides; what has one on a single side differs wholly. null for fewer than `least`. */
function meanDistance(a: readonly (Hash | null)[], b: readonly (Hash | null)[], least: number): number | null {
  let [sum, count, both] = [0, 0, 0]
  for (const [i, one] of a.entries()) {
    const other = b[i]
    if (one === null && other === null) continue
    count++
    if (one === null || other === null) sum += 0.5
    else {
      both++
      sum += differentShare(one, other)
    }
  }
  return both < least ? null : sum / count
}

/** Of the bits that are sure in both; half where hardly any is. */
function differentShare(one: Hash, other: Hash): number {
  let [different, sure] = [0, 0]
  for (const [i, word] of one.above.entries()) {
    const known = one.sure[i] & other.sure[i]
    sure += countBits(known)
    different += countBits((word ^ other.above[i]) & known)
  }
  return sure < fewestBits ? 0.5 : different / sure
}

function countBits(word: number): number {
  let count = 0
  for (let bits = word; bits !== 0; bits &= bits - 1) count++
  return count
}

/** cos((2 x + 1) k pi / 2 N) [frequencies][signatureSide], without the constant. */
const cosines = Array.from({ length: frequencies }, (_, k) =>
  Float64Array.from({ length: signatureSide }, (_, x) =>
    Math.cos(((2 * x + 1) * (k + 1) * Math.PI) / (2 * signatureSide)),
  ),
)

/** The mean brightness is in no bit. */
function hashOf(gray: Float64Array): Hash | null {
  const mean = gray.reduce((sum, value) => sum + value, 0) / gray.length
  const deviation = Math.sqrt(gray.reduce((sum, value) => sum + (value - mean) ** 2, 0) / gray.length)
  if (deviation < flat) return null
  const rows = cosines.map((cosine) =>
    Float64Array.from({ length: signatureSide }, (_, y) =>
      cosine.reduce((sum, weight, x) => sum + weight * gray[y * signatureSide + x], 0),
    ),
  )
  const values = cosines.flatMap((cosine) =>
    rows.map((row) => cosine.reduce((sum, weight, y) => sum + weight * row[y], 0)),
  )
  const sorted = values.toSorted((a, b) => a - b)
  const median = (sorted[values.length / 2 - 1] + sorted[values.length / 2]) / 2
  const [above, sure] = [new Uint32Array(wordsOfPicture), new Uint32Array(wordsOfPicture)]
  for (const [i, value] of values.entries()) {
    if (value > median) above[i >> 5] |= 1 << (i & 31)
    if (Math.abs(value - median) > noise) sure[i >> 5] |= 1 << (i & 31)
  }
  return { above, sure }
}
