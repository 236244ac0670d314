import { stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { replaceFiles } from '../format/atomic.ts'
import { nullIfMissing } from '../format/missing.ts'
import { writeNpy } from '../format/npy.ts'
import { outputTaken } from '../format/onnx-target.ts'
import { readRegularText } from '../format/regular-file.ts'
import { readSafetensors, writeSafetensors } from '../format/safetensors.ts'
import { lockRun } from '../train/run-lock.ts'
import type { VideoEntry } from '../video/types.ts'
import { type ComputedFeatures, toldFailure } from './features.ts'

export interface FeatureFiles {
  readonly files: readonly string[]
  readonly rows: number
  readonly shape: readonly number[]
}

const featureFiles = { rows: 'features.npy', tensors: 'features.safetensors', index: 'index.json' } as const

/**
 * Refuses a folder with an `index.json` that is not that of features, or with features of other origin: the names are common ones.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`
 */
export async function requireFeatureFolder(folder: string): Promise<void> {
  const index = path.join(folder, featureFiles.index)
  const text = await readRegularText(index).catch(nullIfMissing)
  if (text !== null && text !== '') {
    if (isIndex(text)) return
    throw outputTaken(index, 'the index.json of earlier features')
  }
  // An interrupted command leaves features.safetensors, which is written first, without an index.
  const tensors = path.join(folder, featureFiles.tensors)
  const stored = await readSafetensors(tensors).catch(() => null)
  await stored?.close()
  if (stored !== null && 'encoder' in stored.metadata && stored.names.includes('features')) return
  for (const name of [featureFiles.rows, featureFiles.tensors]) {
    const file = path.join(folder, name)
    if (((await stat(file).catch(() => null))?.size ?? 0) > 0) throw outputTaken(file, 'a file of earlier features')
  }
}

function isIndex(text: string): boolean {
  try {
    const described: unknown = JSON.parse(text)
    return (
      typeof described === 'object' &&
      described !== null &&
      ['encoder', 'shape', 'rows'].every((key) => key in described)
    )
  } catch {
    return false
  }
}

/**
 * Writes features of all views of all videos: `features.npy` [rows, D] or [rows, N, D], `features.safetensors` with the
 * tensors `features` and, where `classes` are given, `labels` (int64, -1 for a video without a label), and `index.json`, which says of every row which
 * video and which frames it is.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`; `RUN_LOCKED` while another process writes features there
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
  // Two commands that write at once would leave rows of one next to the index of the other.
  const lock = await lockRun(folder)
  try {
    const description = { encoder, ...read, shape: whole, classes, failures: failures.map(toldFailure), rows: index }
    await writeTogether(folder, { whole, data, labels, classes, description, about: { encoder, ...read } })
  } finally {
    await lock.release()
  }
  const files = Object.values(featureFiles).map((name) => path.join(folder, name))
  return { files, rows: index.length, shape: whole }
}

interface FeatureContent {
  /** [rows, ...shape] */
  readonly whole: readonly number[]
  readonly data: Float32Array
  readonly labels: BigInt64Array
  readonly classes: readonly string[] | null
  readonly description: object
  readonly about: Readonly<Record<string, string>>
}

/** All files or, after a failure, none: no index is ever next to rows that it is not about. */
async function writeTogether(
  folder: string,
  { whole, data, labels, classes, description, about }: FeatureContent,
): Promise<void> {
  await replaceFiles(path.join(folder, featureFiles.index), async (temporary) => {
    const [rows, tensors, index] = Object.values(featureFiles).map((name) => path.join(temporary, name))
    const named = new Map([
      ['features', { shape: whole, data }],
      ...(classes === null ? [] : ([['labels', { shape: [whole[0]], data: labels }]] as const)),
    ])
    await writeSafetensors(tensors, named, about)
    await writeNpy(rows, whole, data)
    await writeFile(index, `${JSON.stringify(description)}\n`)
    return [rows, tensors, index]
  })
}
