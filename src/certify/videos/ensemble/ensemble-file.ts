/**
 * An ensemble as one safetensors file, for inputs that come after the certificate:
 *
 *   heads             float32 [learners, classes, width + 1], bias last
 *   knows             uint8 [learners, classes], 1 where a learner has samples of a class; one without any abstains
 *   scale.mean        float64 [encoders, width], with trusted videos only
 *   scale.deviation   float64 [encoders, width], likewise
 *
 * and in the metadata `videomae.ensemble`, an `EnsembleDescription` as JSON, and `videomae.digest`, the SHA-256 of that text and the
 * tensors. The digest finds damage and names the file in `certificate.json`; it does not say who wrote the file.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { VideoMaeError } from '../../../core/errors.ts'
import { replaceFile } from '../../../format/atomic.ts'
import { bytesOf } from '../../../format/file-bytes.ts'
import { firstNonFinite } from '../../../format/finite.ts'
import { parseUniqueJson } from '../../../format/json.ts'
import {
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  type TensorArray,
  writeSafetensors,
} from '../../../format/safetensors.ts'
import type { TrainedHeads } from '../../ensemble/heads/head.ts'
import { shared } from '../../ensemble/heads/shared.ts'
import type { FeatureScale } from '../scale.ts'
import { contradiction, descriptionSchema, type EnsembleDescription } from './description.ts'

const keys = { description: 'videomae.ensemble', digest: 'videomae.digest' } as const

/** What an ensemble file holds. */
export interface StoredEnsemble {
  readonly description: EnsembleDescription
  readonly heads: TrainedHeads
  /** [encoders]; null where features are not scaled. */
  readonly scales: readonly FeatureScale[] | null
}

interface NamedTensor {
  readonly name: string
  readonly dtype: 'F32' | 'U8' | 'F64'
  readonly shape: readonly number[]
  readonly data: TensorArray
}

function tensorsOf({ heads, scales }: StoredEnsemble): NamedTensor[] {
  const { learners, classes, width, weights, knows } = heads
  const all = (values: (scale: FeatureScale) => Float64Array) =>
    Float64Array.from((scales ?? []).flatMap((scale) => [...values(scale)]))
  const shape = [scales?.length ?? 0, width]
  return [
    { name: 'heads', dtype: 'F32', shape: [learners, classes, width + 1], data: weights },
    { name: 'knows', dtype: 'U8', shape: [learners, classes], data: knows },
    ...(scales === null
      ? []
      : ([
          { name: 'scale.deviation', dtype: 'F64', shape, data: all(({ deviation }) => deviation) },
          { name: 'scale.mean', dtype: 'F64', shape, data: all(({ mean }) => mean) },
        ] as const)),
  ]
}

/** Values hashed at once: what hashing reads may not be shared with threads, so it is copied. */
const hashedAtOnce = 2 ** 20

function digestOf(description: string, tensors: readonly NamedTensor[]): string {
  const hash = createHash('sha256').update(description)
  for (const { name, dtype, shape, data } of tensors) {
    hash.update(`\n${name} ${dtype} ${shape.join('x')}\n`)
    const bytes = bytesOf(data)
    for (let from = 0; from < bytes.length; from += hashedAtOnce) hash.update(bytes.slice(from, from + hashedAtOnce))
  }
  return hash.digest('hex')
}

/**
 * Writes an ensemble; the file appears whole or not at all. The same ensemble gives the same bytes.
 *
 * @returns its digest: SHA-256, hexadecimal
 */
export async function writeEnsemble(file: string, ensemble: StoredEnsemble): Promise<string> {
  const description = JSON.stringify(ensemble.description)
  const tensors = tensorsOf(ensemble)
  const digest = digestOf(description, tensors)
  const named = new Map(tensors.map(({ name, ...tensor }): [string, SafetensorsTensor] => [name, tensor]))
  const metadata = { [keys.description]: description, [keys.digest]: digest }
  await replaceFile(file, (temporary) => writeSafetensors(temporary, named, metadata))
  return digest
}

/**
 * Reads an ensemble file of any origin. Memory is bounded by the size of the file.
 *
 * @throws VideoMaeError `ENSEMBLE_INVALID` naming the field; what `readSafetensors` throws
 */
export async function readEnsemble(
  file: string,
): Promise<StoredEnsemble & { readonly file: string; readonly digest: string }> {
  const opened = await readSafetensors(file)
  try {
    return { ...(await parse(file, opened)), file }
  } finally {
    await opened.close()
  }
}

async function parse(file: string, opened: SafetensorsFile): Promise<StoredEnsemble & { readonly digest: string }> {
  const text = opened.metadata[keys.description]
  if (text === undefined) throw invalid(file, `it has no ${keys.description} in its metadata: it is another file`)
  const description = parseDescription(file, text)
  const heads = await readHeads(file, opened, description)
  const scales = await readScales(file, opened, description, heads.width)
  const ensemble = { description, heads, scales }
  const tensors = tensorsOf(ensemble)
  const extra = opened.names.find((name) => tensors.every((tensor) => tensor.name !== name))
  if (extra !== undefined)
    throw invalid(file, `it has a tensor ${JSON.stringify(extra.slice(0, 80))}, which is not part of the format`)
  const digest = digestOf(text, tensors)
  if (opened.metadata[keys.digest] !== digest)
    throw invalid(file, `${keys.digest} does not match its content: the file was changed or damaged`)
  return { ...ensemble, digest }
}

function parseDescription(file: string, text: string): EnsembleDescription {
  let value: unknown
  try {
    value = parseUniqueJson(text)
  } catch (error) {
    throw invalid(file, `${keys.description} is not JSON: ${(error as Error).message}`)
  }
  const parsed = descriptionSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(file, z.prettifyError(parsed.error).slice(0, 1000))
}

/** @throws VideoMaeError `ENSEMBLE_INVALID` where a tensor has another type or shape; null stands for any size from 1 */
function requireTensor(
  file: string,
  opened: SafetensorsFile,
  name: string,
  type: NamedTensor['dtype'],
  wanted: readonly (number | null)[],
): readonly number[] {
  if (!opened.has(name)) throw invalid(file, `it has no tensor ${name}`)
  const { dtype, shape } = opened.info(name)
  const fits = shape.length === wanted.length && wanted.every((size, i) => (size ?? Math.max(1, shape[i])) === shape[i])
  if (dtype === type && fits) return shape
  const expected = wanted.map((size) => size ?? 'n').join(', ')
  throw invalid(file, `${name} is ${dtype}[${shape.join(', ')}], not ${type}[${expected}]`)
}

async function readHeads(
  file: string,
  opened: SafetensorsFile,
  description: EnsembleDescription,
): Promise<TrainedHeads> {
  const classes = description.classNames.length
  const [learners, , depth] = requireTensor(file, opened, 'heads', 'F32', [null, classes, null])
  requireTensor(file, opened, 'knows', 'U8', [learners, classes])
  const width = depth - 1
  if (width < 1) throw invalid(file, 'heads: it has no features, only a bias')
  const problem = contradiction(description, learners)
  if (problem !== null) throw invalid(file, problem)
  const knows = (await opened.read('knows')) as Uint8Array
  const odd = knows.findIndex((value) => value > 1)
  if (odd >= 0) throw invalid(file, `knows: value ${odd} is ${knows[odd]}, not 0 or 1`)
  const weights = await opened.readFloat32('heads')
  const wrong = firstNonFinite(weights) < 0 ? -1 : weights.findIndex((value, i) => !isWeight(value, i, depth, knows))
  if (wrong >= 0) {
    const row = Math.floor(wrong / depth)
    const where = `base classifier ${Math.floor(row / classes)}, class ${row % classes}`
    throw invalid(file, `heads: value ${wrong % depth} of ${where} is ${weights[wrong]}`)
  }
  return { head: description.head, classes, width, learners, weights: shared(Float32Array, weights), knows }
}

/** Finite, or the bias of a class that the learner has no samples of: it may score -infinity. */
function isWeight(value: number, index: number, depth: number, knows: Uint8Array): boolean {
  if (Number.isFinite(value)) return true
  return value === Number.NEGATIVE_INFINITY && index % depth === depth - 1 && knows[Math.floor(index / depth)] === 0
}

async function readScales(
  file: string,
  opened: SafetensorsFile,
  { features }: EnsembleDescription,
  width: number,
): Promise<readonly FeatureScale[] | null> {
  const encoders = features.encoders.length
  if (!opened.has('scale.mean') && !opened.has('scale.deviation')) return null
  const read = async (name: 'scale.mean' | 'scale.deviation', least: number): Promise<Float64Array> => {
    requireTensor(file, opened, name, 'F64', [encoders, width])
    const values = (await opened.read(name)) as Float64Array
    const bad = values.findIndex((value) => !(Number.isFinite(value) && value > least))
    if (bad >= 0) throw invalid(file, `${name}: value ${bad} is ${values[bad]}`)
    return values
  }
  const means = await read('scale.mean', Number.NEGATIVE_INFINITY)
  const deviations = await read('scale.deviation', 0)
  return features.encoders.map((_, e) => {
    const [mean, deviation] = [means, deviations].map((values) => values.subarray(e * width, (e + 1) * width))
    return { mean, deviation }
  })
}

function invalid(file: string, problem: string): VideoMaeError {
  return new VideoMaeError(`Expected a certified ensemble in ${file}: ${problem}.`, {
    code: 'ENSEMBLE_INVALID',
    exit: 'data',
    hint: 'Copy the file again, or let `videomae certify` write it again.',
  })
}
