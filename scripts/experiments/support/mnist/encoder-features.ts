/** MNIST read as still clips: every frame of a clip is the same digit, and a video encoder sees it like any other clip. */
import { unitRows } from '../../../../src/certify/ensemble/feature-set.ts'
import {
  type EncoderProvenance,
  encoderProvenance,
  type FeatureSet,
  openFeatureSource,
} from '../../../../src/certify.ts'
import { runClips } from '../../../../src/engine/run-clips.ts'
import { featureProgram } from '../../../../src/inference/encoder-source.ts'
import type { TokenGrid } from '../../../../src/mask/grid.ts'
import { tokenGrid } from '../../../../src/model.ts'
import { chooseEngine } from '../../../../src/train/engine-choice.ts'
import { type Images, labeledSet, side } from './images.ts'

/** Positions of a feature map along each axis. */
const map = 4

/** Features of images by one encoder, and what a threat declaration says of it. */
export interface ImageEncoder {
  readonly setOf: (images: Images, prefix: string) => Promise<FeatureSet>
  readonly provenance: (protectedDigests: readonly string[]) => Promise<EncoderProvenance>
  readonly close: () => Promise<void>
}

/**
 * The mean of the tokens over time and over 4 x 4 positions, less those of a black clip, to unit length: a function of each
 * image alone, [4 * 4 * D] values.
 *
 * @param from as `--from` of certify: a checkpoint, or `untrained:CHECKPOINT`
 */
export async function imageEncoder(
  from: string,
  options: { readonly engine: string | null; readonly threads: number },
): Promise<ImageEncoder> {
  const batch = 32
  const source = await openFeatureSource(from)
  if (source.kind === 'pixels' || source.kind === 'patches') throw new Error(`Expected an encoder, got ${from}.`)
  const { configuration } = source.source
  const { program, output, state } = featureProgram(source.source, 'tokens', batch)
  const engine = await chooseEngine(options.engine)
  const session = await engine.open([program], { threads: options.threads })
  await session.writeState(state)
  const size = configuration.imageSize[0]
  const clipBytes = configuration.frames * size * size * 3
  const pool = pooledMap(tokenGrid(configuration), configuration.encoder.width)
  const encode = async (images: Images, from: number, to: number): Promise<Float32Array> => {
    const clips = new Uint8Array((to - from) * clipBytes)
    for (let i = from; i < to; i++) {
      const frame = stillFrame(images.data.subarray(i * side * side, (i + 1) * side * side), size)
      for (let t = 0; t < configuration.frames; t++) clips.set(frame, (i - from) * clipBytes + t * frame.length)
    }
    const { [output]: tokens } = await runClips({ session, program: program.name, batch, clipBytes }, clips, [output])
    return pool(tokens, to - from)
  }
  const black = await encode({ data: new Uint8Array(side * side), count: 1, labels: new Uint8Array(1) }, 0, 1)
  return {
    async setOf(images, prefix) {
      const width = black.length
      const features = new Float32Array(images.count * width)
      const turn = 16 * batch
      for (let from = 0; from < images.count; from += turn) {
        const rows = await encode(images, from, Math.min(images.count, from + turn))
        for (let i = 0; i < rows.length; i++) features[from * width + i] = rows[i] - black[i % width]
        if (from % (20 * turn) === 0) console.error(`features of ${from + rows.length / width}/${images.count} images`)
      }
      return labeledSet(images, { features: unitRows(features, images.count, width), width }, prefix)
    },
    provenance: async (digests) => (await encoderProvenance(source, digests)).provenance,
    close: () => session.close(),
  }
}

/**
 * @param image uint8 [28, 28]
 * @returns uint8 [size, size, 3], bilinear between pixel centers
 */
function stillFrame(image: Uint8Array, size: number): Uint8Array {
  const taps = Array.from({ length: size }, (_, i) => {
    const index = Math.min(Math.max(((i + 0.5) * side) / size - 0.5, 0), side - 1)
    const low = Math.floor(index)
    return { low, high: Math.min(low + 1, side - 1), share: index - low }
  })
  const frame = new Uint8Array(size * size * 3)
  for (const [i, y] of taps.entries()) {
    for (const [j, x] of taps.entries()) {
      const row = (line: number) => image[line * side + x.low] * (1 - x.share) + image[line * side + x.high] * x.share
      const at = (i * size + j) * 3
      frame.fill(Math.round(row(y.low) * (1 - y.share) + row(y.high) * y.share), at, at + 3)
    }
  }
  return frame
}

/** [count, t * h * w, D] -> [count, 4 * 4 * D], means; h and w must be multiples of 4. */
function pooledMap({ t, h, w }: TokenGrid, width: number): (tokens: Float32Array, count: number) => Float32Array {
  if (h % map !== 0 || w % map !== 0) throw new Error(`Expected a multiple of ${map} patches a side, got ${h} x ${w}.`)
  const share = (map * map) / (t * h * w)
  return (tokens, count) => {
    const means = new Float32Array(count * map * map * width)
    for (let token = 0; token < count * t * h * w; token++) {
      const [image, y, x] = [Math.floor(token / (t * h * w)), Math.floor(token / w) % h, token % w]
      const index = Math.floor((y * map) / h) * map + Math.floor((x * map) / w)
      const to = (image * map * map + index) * width
      for (let d = 0; d < width; d++) means[to + d] += share * tokens[token * width + d]
    }
    return means
  }
}
