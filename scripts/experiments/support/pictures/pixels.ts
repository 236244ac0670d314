/** Pixels of pictures: decoded once, squeezed to a square, kept in a file. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { sha256 } from '../../../../src/certify/ensemble/hash.ts'
import { digestImages, type Images } from '../mnist/images.ts'
import type { PictureFile } from './collections.ts'

export interface Pictures {
  /** [count, side, side, 3] */
  readonly data: Uint8Array
  readonly count: number
  readonly side: number
  readonly labels: Int32Array
  /** SHA-256 of the decoded pixels of each, before it was scaled. */
  readonly digests: readonly string[]
}

const atOnce = 64

interface Raw {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

/** Pictures of `side` x `side` pixels, the whole picture in each; from `kept.rgb` and `kept.json` where these are. */
export async function readPictures(files: readonly PictureFile[], side: number, kept: string): Promise<Pictures> {
  const labels = Int32Array.from(files, ({ label }) => label)
  const bytes = side * side * 3
  if (!existsSync(`${kept}.json`)) {
    const data = new Uint8Array(files.length * bytes)
    const digests: string[] = []
    // Several at a time: each is a function of its own file.
    for (let from = 0; from < files.length; from += atOnce) {
      const made = await Promise.all(files.slice(from, from + atOnce).map((file) => squeezed(file, side)))
      for (const [i, { digest, pixels }] of made.entries()) {
        data.set(pixels, (from + i) * bytes)
        digests.push(digest)
      }
      if (from % (atOnce * 160) === 0) console.error(`decoded ${from} of ${files.length}`)
    }
    mkdirSync(path.dirname(kept), { recursive: true })
    writeFileSync(`${kept}.rgb`, data)
    writeFileSync(`${kept}.json.part`, JSON.stringify(digests))
    renameSync(`${kept}.json.part`, `${kept}.json`)
  }
  const digests = JSON.parse(readFileSync(`${kept}.json`, 'utf8')) as string[]
  const data = new Uint8Array(readFileSync(`${kept}.rgb`))
  if (digests.length !== files.length || data.length !== files.length * bytes)
    throw new Error(`Expected ${files.length} pictures in ${kept}.rgb.`)
  return { data, count: files.length, side, labels, digests }
}

/** MNIST as pictures of three equal channels, with the digests of `digestImages`. */
export function mnistPictures(images: Images): Pictures {
  const data = new Uint8Array(images.data.length * 3)
  for (const [i, value] of images.data.entries()) data.fill(value, i * 3, i * 3 + 3)
  return { data, count: images.count, side: 28, labels: Int32Array.from(images.labels), digests: digestImages(images) }
}

async function squeezed({ file, size }: PictureFile, side: number) {
  const { data, width, height } = file.endsWith('.ppm') ? portablePixmap(readFileSync(file)) : await decoded(file)
  if (size !== undefined && (size.width !== width || size.height !== height))
    throw new Error(
      `Expected ${size.width} x ${size.height} pixels of ${file}, as its table says, but it has ${width} x ${height}.`,
    )
  const digest = sha256(Buffer.concat([Buffer.from(`${width} ${height} `), data]))
  if (width === side && height === side) return { digest, pixels: data }
  return { digest, pixels: resized({ data, width, height }, side) }
}

/** Linear between pixels, and over as many pixels as an output pixel covers where the picture is larger. */
function resized({ data, width, height }: Raw, side: number): Uint8Array {
  const [columns, rows] = [weightsOf(width, side), weightsOf(height, side)]
  const across = new Float32Array(height * side * 3)
  for (let y = 0; y < height; y++)
    for (const [x, taps] of columns.entries())
      for (const [from, weight] of taps)
        for (let c = 0; c < 3; c++) across[(y * side + x) * 3 + c] += weight * data[(y * width + from) * 3 + c]
  const made = new Float32Array(side * side * 3)
  const line = side * 3
  for (const [y, taps] of rows.entries())
    for (const [from, weight] of taps)
      for (let k = 0; k < line; k++) made[y * line + k] += weight * across[from * line + k]
  return Uint8Array.from(made, (value) => Math.min(255, Math.round(value)))
}

type Taps = readonly (readonly [from: number, weight: number])[]

/** Which pixels an output pixel is made of: a triangle around its center, as wide as the larger of the two pixels. */
function weightsOf(length: number, side: number): readonly Taps[] {
  const scale = length / side
  const reach = Math.max(1, scale)
  return Array.from({ length: side }, (_, i) => {
    const center = (i + 0.5) * scale - 0.5
    const first = Math.max(0, Math.ceil(center - reach))
    const last = Math.min(length - 1, Math.floor(center + reach))
    const taps = Array.from({ length: last - first + 1 }, (__, t) => first + t)
    const weights = taps.map((from) => Math.max(0, 1 - Math.abs(from - center) / reach))
    const sum = weights.reduce((a, b) => a + b, 0)
    return taps.map((from, t) => [from, weights[t] / sum] as const)
  })
}

async function decoded(file: string): Promise<Raw> {
  const { data, info } = await sharp(file)
    .toColorspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  if (info.channels !== 3) throw new Error(`Expected three channels of ${file}.`)
  return { data: new Uint8Array(data), width: info.width, height: info.height }
}

/** A PPM file of 8 bits a value, which sharp does not read. */
function portablePixmap(bytes: Buffer): Raw {
  const head = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64))
  if (head === null) throw new Error('Expected a PPM file of 8 bits.')
  const [width, height] = [Number(head[1]), Number(head[2])]
  const data = new Uint8Array(bytes.subarray(head[0].length))
  if (data.length !== width * height * 3) throw new Error(`Expected ${width} x ${height} pixels in a PPM file.`)
  return { data, width, height }
}
