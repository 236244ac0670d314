/** A certified ensemble: read, and asked for votes, certificates under each of its rules. */
import { createHash } from 'node:crypto'
import type { EnsembleDescription } from '../../../src/certify/videos/ensemble/description.ts'
import { readEnsemble, type StoredEnsemble, writeEnsemble } from '../../../src/certify/videos/ensemble/ensemble-file.ts'
import { voteOnRows } from '../../../src/certify/videos/ensemble/votes.ts'
import type { Rule } from '../../../src/certify.ts'
import type { RandomStream } from '../../../src/model.ts'
import { type Format, mutateSafetensors, single } from './format.ts'
import { type Json, mutateBytes, mutateJson, mutateText, pick } from './mutations.ts'

const zeros = '0'.repeat(64)

const sampleThreat: EnsembleDescription['threat'] = {
  ...{ threat: 'general', unit: 'one video', claim: 'If any r units are inserted.', conditions: ['if so'] },
  notCovered: ['the input'],
  encoder: { digest: zeros, trust: 'external', labelsUsed: false, trainedOn: zeros, overlap: 0 },
}

/** Six learners of three classes on features of width 2. */
export function sampleEnsemble(change: Partial<EnsembleDescription> = {}, encoders = 1): StoredEnsemble {
  const [learners, classes, width] = [6, 3, 2]
  const weights = Float32Array.from({ length: learners * classes * (width + 1) }, (_, i) => ((i * 7) % 5) - 2)
  const encoder = {
    ...{ name: 'run', digest: zeros, frames: 4, size: { height: 8, width: 8 } },
    sampling: { kind: 'dense' as const, stride: 1, fps: null },
  }
  const description: EnsembleDescription = {
    schema: 'videomae.ensemble/1',
    ...{
      rules: ['dpa', 'roe'],
      partitions: 6,
      spread: 1,
      offsets: [0],
      groups: null,
      periods: null,
      seed: 0,
      seeds: 1,
    },
    ...{ by: 'content', bucketManifest: zeros, learnersDigest: zeros, classes: 'declared' },
    classNames: ['left', 'right', 'up'],
    head: { kind: 'ridge', lambda: 0.1, scaling: 'unit' },
    threat: sampleThreat,
    warnings: [],
    features: { kind: 'pooled', engine: 'native', decoder: 'node-av', encoders: Array(encoders).fill(encoder) },
    ...change,
  }
  const knows = new Uint8Array(learners * classes).fill(1)
  knows[0] = 0
  const scale = { mean: Float64Array.of(0.5, 0), deviation: Float64Array.of(1, 2) }
  const heads = { head: description.head, classes, width, learners, weights, knows }
  return { description, heads, scales: Array(encoders).fill(scale) }
}

interface Header {
  readonly __metadata__: Record<string, string>
  readonly [tensor: string]: unknown
}

/** Description or numbers change, and the digest with them: what is after it is reached. */
export function mutateEnsemble(random: RandomStream, whole: Uint8Array): Uint8Array {
  if (random.integer(4) === 0) return mutateSafetensors(random, whole)
  const bytes = Buffer.from(whole)
  const dataStart = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, dataStart)) as Header
  const { __metadata__: metadata, ...tensors } = header
  const known = metadata['videomae.ensemble']
  const what = pick(random, ['json', 'json', 'json', 'text', 'numbers'] as const)
  const text =
    what === 'json'
      ? JSON.stringify(mutateJson(random, JSON.parse(known) as Json))
      : what === 'text'
        ? Buffer.from(mutateText(random, known)).toString()
        : known
  const data = Buffer.from(bytes.subarray(dataStart))
  if (what === 'numbers') {
    const changed = mutateBytes(random, data).subarray(0, data.length)
    data.set(changed)
  }
  const digest = digestOf(text, tensors as unknown as Tensors, data)
  const json = Buffer.from(
    JSON.stringify({ ...tensors, __metadata__: { 'videomae.ensemble': text, 'videomae.digest': digest } }),
  )
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([prefix, json, data])
}

type Tensors = Readonly<
  Record<string, { readonly dtype: string; readonly shape: readonly number[]; readonly data_offsets: [number, number] }>
>

/** As docs/certificate-reference.md says. */
function digestOf(text: string, tensors: Tensors, data: Uint8Array): string {
  const hash = createHash('sha256').update(text)
  for (const name of Object.keys(tensors).sort()) {
    const { dtype, shape, data_offsets: offsets } = tensors[name]
    hash.update(`\n${name} ${dtype} ${shape.join('x')}\n`).update(data.subarray(...offsets))
  }
  return hash.digest('hex')
}

async function readAndVote(location: string): Promise<void> {
  const ensemble = await readEnsemble(location)
  const { description, heads } = ensemble
  const row = Float32Array.from({ length: heads.width }, (_, i) => 1 - i)
  const rows = Array.from({ length: 2 }, () => description.features.encoders.map(() => row))
  for (const rule of description.rules) {
    const voted = await voteOnRows(ensemble, rule, rows)
    for (const { certificate } of voted) {
      if (!(description.classNames[certificate.prediction] !== undefined && certificate.radius >= 0))
        throw new Error(`${rule}: prediction ${certificate.prediction}, radius ${certificate.radius}`)
      if (certificate.radius > heads.learners) throw new Error(`${rule}: radius ${certificate.radius}`)
    }
  }
}

const format = (name: string, ensemble: StoredEnsemble): Format =>
  single(
    name,
    'ensemble.safetensors',
    (location) => writeEnsemble(location, ensemble).then(() => undefined),
    mutateEnsemble,
    readAndVote,
  )

const spread = { rules: ['fa', 'fa_exact', 'roe_fa'] as Rule[], partitions: 3, spread: 2, offsets: [1, 4] }

export const ensembleFormats: readonly Format[] = [
  format('ensemble', sampleEnsemble()),
  format('ensemble with a spread', sampleEnsemble(spread)),
  format('ensemble of groups', sampleEnsemble({ rules: ['groups'], groups: 2 }, 2)),
  format(
    'ensemble of periods',
    sampleEnsemble({
      ...{ rules: ['temporal'], by: 'time', offsets: [], periods: { until: 9, length: 1, coverage: 2 } },
      threat: { ...sampleThreat, threat: 'temporal', unit: 'one period' },
    }),
  ),
]
