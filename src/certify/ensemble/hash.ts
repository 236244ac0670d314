/** The hashes that decide which bucket a sample belongs to: functions of that sample alone. */
import { createHash } from 'node:crypto'
import { invalidArgument } from '../../core/errors.ts'

export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/**
 * First eight bytes of a SHA-256, big-endian, modulo the number of buckets.
 *
 * @param digest SHA-256 in hexadecimal
 * @param skip bytes of the digest to skip: 8 gives a second, independent bucket from the same digest
 */
export function bucketOfDigest(digest: string, buckets: number, skip = 0): number {
  if (!/^[0-9a-f]{64}$/i.test(digest)) throw invalidArgument('digest', 'a SHA-256 in hexadecimal', digest)
  if (!Number.isInteger(buckets) || buckets < 1) throw invalidArgument('buckets', 'a positive integer', buckets)
  return Number(BigInt(`0x${digest.slice(2 * skip, 2 * skip + 16)}`) % BigInt(buckets))
}

/** The bucket of arbitrary bytes or text: `bucketOfDigest` of its SHA-256. */
export function bucketOfContent(content: string | Uint8Array, buckets: number): number {
  return bucketOfDigest(sha256(content), buckets)
}

/**
 * The published programs' hash, sum of the uint8 pixel values modulo the number of buckets. Only for reproducing their
 * partitions: anybody can build a video for the bucket of his choice, which does not weaken the certificate, and near
 * duplicates cluster, which may.
 */
export function bucketOfPixelSum(pixels: ArrayLike<number>, buckets: number): number {
  let sum = 0
  for (let i = 0; i < pixels.length; i++) sum += pixels[i]
  return sum % buckets
}
