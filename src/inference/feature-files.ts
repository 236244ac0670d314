import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { replaceFile, writeFileAtomic } from '../format/atomic.ts'
import { writeNpy } from '../format/npy.ts'
import { outputTaken } from '../format/onnx-target.ts'
import { writeSafetensors } from '../format/safetensors.ts'
import type { VideoEntry } from '../video/types.ts'
import { type ComputedFeatures, toldFailure } from './features.ts'

export interface FeatureFiles {
  readonly files: readonly string[]
  readonly rows: number
  readonly shape: readonly number[]
}

/**
 * Refuses a folder whose `index.json` is not that of features: the name is a common one.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function requireFeatureFolder(folder: string): Promise<void> {
  const index = path.join(folder, 'index.json')
  const text = await readFile(index, 'utf8').catch(() => null)
  if (text === null || text === '') return
  const described: unknown = await Promise.resolve(text)
    .then(JSON.parse)
    .catch(() => null)
  const own = ['encoder', 'shape', 'rows']
  if (typeof described === 'object' && described !== null && own.every((key) => key in described)) return
  throw outputTaken(index, 'the index.json of earlier features')
}

/**
 * Writes features of all views of all videos: `features.npy` [rows, D] or [rows, N, D], `features.safetensors` with the
 * tensors `features` and, where `classes` are given, `labels` (int64, -1 for a video without a label), and `index.json`, which says of every row which
 * video and which frames it is.
 */
export async function writeFeatureFiles<Video extends VideoEntry & { readonly class?: number }>(
  folder: string,
  computed: ComputedFeatures<Video>,
  classes: readonly string[] | null,
): Promise<FeatureFiles> {
  const { store, videos, shape, failures, encoder, readout } = computed
  const read: Record<string, string> = readout === 'mean' ? {} : { readout }
  const index: Record<string, unknown>[] = []
  for (const { video, digest } of videos) {
    const { id, group, split } = video
    const label = classes === null ? video.label : (video.label ?? null)
    for (const view of store.views(digest)) index.push({ id, label, group, split, digest, ...view })
  }
  const data = new Float32Array(index.length * store.width)
  const labels = new BigInt64Array(index.length).fill(-1n)
  let row = 0
  for (const { video, digest } of videos) {
    const rows = await store.read(digest)
    data.set(rows, row * store.width)
    const count = rows.length / store.width
    if (video.class !== undefined) labels.fill(BigInt(video.class), row, row + count)
    row += count
  }
  const whole = [index.length, ...shape]
  await requireFeatureFolder(folder)
  await mkdir(folder, { recursive: true })
  const file = (name: string): string => path.join(folder, name)
  await replaceFile(file('features.npy'), (temporary) => writeNpy(temporary, whole, data))
  await replaceFile(file('features.safetensors'), (temporary) =>
    writeSafetensors(
      temporary,
      new Map([
        ['features', { shape: whole, data }],
        ...(classes === null ? [] : ([['labels', { shape: [index.length], data: labels }]] as const)),
      ]),
      { encoder, ...read },
    ),
  )
  const description = { encoder, ...read, shape: whole, classes, failures: failures.map(toldFailure), rows: index }
  await writeFileAtomic(file('index.json'), `${JSON.stringify(description)}\n`)
  const files = ['features.npy', 'features.safetensors', 'index.json'].map(file)
  return { files, rows: index.length, shape: whole }
}
