/** Small video models that are trained from scratch on still clips of digits, one for each partition. */
import { FrameStore } from '../../../../src/certify/videos/learners/frame-store.ts'
import { frameTrainer } from '../../../../src/certify/videos/learners/frame-trainer.ts'
import { engineLearners, type VideoInputs, type VideoSet } from '../../../../src/certify.ts'
import { finetuneConfiguration } from '../../../../src/index.ts'
import { freshEncoder } from '../../../../src/inference/encoder-source.ts'
import { FeatureStore } from '../../../../src/inference/feature-store.ts'
import { resolveConfiguration } from '../../../../src/model.ts'
import { digestImages, type Images, side } from './images.ts'

const view = { clip: 0, crop: 0, startSeconds: 0, firstFrame: 0, lastFrame: 0 }

/** The images as videos of one frame, kept in `folder`. */
async function storeStills(folder: string, images: Images): Promise<{ frames: FrameStore; digests: string[] }> {
  const bytes = side * side * 3
  const store = await FeatureStore.open(
    folder,
    'stills',
    { content: 'RGB bytes of digits, four to a value' },
    bytes / 4,
  )
  const digests = digestImages(images)
  for (const [i, digest] of digests.entries()) {
    if (store.has(digest)) continue
    const frame = new Uint8Array(bytes)
    for (let k = 0; k < side * side; k++) frame.fill(images.data[i * side * side + k], 3 * k, 3 * k + 3)
    await store.append({ digest, views: [view] }, new Float32Array(frame.buffer))
  }
  return { frames: new FrameStore(store, 1, { width: side, height: side }), digests }
}

/**
 * A transformer of width 64 and depth 3 on 4 x 4 patches of a tubelet of two equal frames, 28 pixels, fresh weights for each
 * partition.
 *
 * @param folder for the stills
 */
export async function scratchLearners(
  folder: string,
  train: Images,
  test: Images,
  options: { readonly epochs: number; readonly engine: string | null },
) {
  const { frames, digests } = await storeStills(folder, joined(train, test))
  const contents = digests.map((key) => ({ key, noise: null }))
  const set: VideoSet = {
    rows: train.count,
    labels: Int32Array.from(train.labels),
    classNames: Array.from({ length: 10 }, (_, digit) => String(digit)),
    ids: Array.from({ length: train.count }, (_, i) => `train-${i}`),
    digests: digests.slice(0, train.count),
    parts: digests.slice(0, train.count),
    contents: contents.slice(0, train.count),
  }
  const inputs: VideoInputs = {
    rows: test.count,
    labels: Int32Array.from(test.labels),
    ids: Array.from({ length: test.count }, (_, i) => `test-${i}`),
    contents: contents.slice(train.count),
  }
  const configuration = resolveConfiguration({
    imageSize: side,
    patch: 7,
    frames: 2,
    encoder: { width: 64, depth: 3, heads: 2 },
    positions: 'factored',
  })
  const recipe = finetuneConfiguration({
    augment: { area: [0.7, 1], randAugment: null, erasing: 0, mixup: null, cutmix: null, smoothing: 0.1 },
    regularization: { dropPath: 0, layerDecay: 1 },
    batch: { size: 16, perRun: 16 },
    optimizer: { baseLearningRate: 1.6e-2, clipNorm: 1 },
    schedule: { duration: `${options.epochs} epochs`, warmup: `${Math.floor(options.epochs / 10)} epochs` },
  })
  const trainer = frameTrainer(freshEncoder(configuration, { kind: 'dense', stride: 1, fps: null }, 0), frames, {
    kind: 'scratch',
    recipe,
    engine: options.engine,
  })
  return { set, inputs, learners: engineLearners(trainer) }
}

function joined(a: Images, b: Images): Images {
  const data = new Uint8Array(a.data.length + b.data.length)
  data.set(a.data)
  data.set(b.data, a.data.length)
  return { data, count: a.count + b.count, labels: Uint8Array.from([...a.labels, ...b.labels]) }
}
