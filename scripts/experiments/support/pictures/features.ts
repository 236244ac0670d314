/** Features of pictures that no data trained: each is a fixed function of one picture. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { hogRow, hogWidth, isHogReadout } from '../../../../src/certify/videos/hog.ts'
import {
  type AugmentationKind,
  type AugmentationPlan,
  augmentedClips,
  planAugmentation,
} from '../../../../src/inference/augmentation.ts'
import { patchRow, patchWidth } from './patches.ts'
import type { Pictures } from './pixels.ts'

/** Names with a plus are features one after the other: `hog-color+patches`. */
export type PictureFeatures = string

export interface Rows {
  /** [pictures x variants, width], the variants of a picture one after the other */
  readonly features: Float32Array
  readonly width: number
  /** Rows of each picture: 1, and one for each warped copy. */
  readonly variants: number
}

/** The copies of each picture, itself first. */
function planOf(kinds: readonly AugmentationKind[]): AugmentationPlan | null {
  return kinds.length === 0 ? null : planAugmentation(kinds, { kind: 'dense', stride: 1, fps: null }, 1)
}

/** Features of pictures and of their copies, from the file `kept` where it is. */
export function pictureRows(
  pictures: Pictures,
  name: PictureFeatures,
  kinds: readonly AugmentationKind[],
  kept: string,
): Rows {
  const plan = planOf(kinds)
  const variants = plan?.variants.length ?? 1
  const width = widthOf(name, pictures.side)
  const length = pictures.count * variants * width
  if (!existsSync(kept)) {
    const features = new Float32Array(length)
    for (let i = 0; i < pictures.count; i++) {
      for (const [v, picture] of copiesOf(pictures, i, plan).entries())
        writeRow(
          name,
          picture,
          pictures.side,
          features.subarray((i * variants + v) * width, (i * variants + v + 1) * width),
        )
      if (i % 5000 === 4999) console.error(`${name}: ${i + 1} of ${pictures.count}`)
    }
    mkdirSync(path.dirname(kept), { recursive: true })
    writeFileSync(`${kept}.part`, features)
    renameSync(`${kept}.part`, kept)
  }
  const bytes = readFileSync(kept)
  const features = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  if (features.length !== length) throw new Error(`Expected ${length} values in ${kept}, but got ${features.length}.`)
  scaleShapes(features, name, pictures.side)
  return { features, width, variants }
}

/** Length of gradients and colors next to that of patches, 1. */
const shapeShare = 0.6

/** Where patches follow, gradients and colors count less. */
function scaleShapes(features: Float32Array, name: PictureFeatures, side: number): void {
  const [first, ...others] = partsOf(name)
  if (!isHogReadout(first) || others.length === 0) return
  const [width, shapes] = [widthOf(name, side), hogWidth(first, side)]
  for (let from = 0; from < features.length; from += width)
    for (let k = from; k < from + shapes; k++) features[k] *= shapeShare
}

function copiesOf({ data, side }: Pictures, index: number, plan: AugmentationPlan | null): Uint8Array[] {
  const bytes = side * side * 3
  const picture = data.slice(index * bytes, (index + 1) * bytes)
  if (plan === null) return [picture]
  const geometry = {
    crop: { x: 0, y: 0, width: side, height: side },
    scale: { width: side, height: side },
    flip: false,
  }
  const views = [{ frames: [0], startSeconds: 0, geometry }]
  const { clips } = augmentedClips(plan, { clips: picture, views }, { width: side, height: side })
  return plan.variants.map((_, v) => clips.subarray(v * bytes, (v + 1) * bytes))
}

const partsOf = (name: PictureFeatures): string[] => name.split('+')

function widthOf(name: PictureFeatures, side: number): number {
  const widths: number[] = partsOf(name).map((part) => (isHogReadout(part) ? hogWidth(part, side) : patchWidth(part)))
  return widths.reduce((a, b) => a + b, 0)
}

function writeRow(name: PictureFeatures, picture: Uint8Array, side: number, row: Float32Array): void {
  let at = 0
  for (const part of partsOf(name)) {
    const values = isHogReadout(part) ? hogRow(part, picture, side) : patchRow(part, picture, side)
    row.set(values, at)
    at += values.length
  }
}
