/** A certificate with its files, as `videomae verify` reads those of strangers. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { writeBallots } from '../../../src/certify/files/stored-votes.ts'
import { verifyVotes } from '../../../src/certify/verify/verify-votes.ts'
import {
  attestCertificate,
  ballotsFromScores,
  certify,
  certifyImported,
  digestRows,
  doseLearner,
  headLearners,
  lethalDose,
  needsSpread,
  proposeFromDose,
  type Rule,
  readDoseStudy,
  writeCertificate,
} from '../../../src/certify.ts'
import { writeFileAtomic } from '../../../src/format/atomic.ts'
import { RandomStream } from '../../../src/model.ts'
import { type Format, mutateDocument, single } from './format.ts'
import { mutateBytes } from './mutations.ts'

const classNames = ['left', 'right', 'up']

/** Samples of three classes on features of width 2. */
function samples(rows: number, seed: number) {
  const stream = new RandomStream(seed, 'samples')
  const labels = Int32Array.from({ length: rows }, (_, row) => row % 3)
  const features = Float32Array.from({ length: 2 * rows }, (_, i) => stream.normal(labels[i >> 1] * (i % 2), 1))
  const ids = Array.from({ length: rows }, (_, row) => `v${row}`)
  return { rows, width: 2, labels, features, classNames, ids, digests: digestRows(features, rows, 2) }
}

/** By default with everything that a certificate can have; counting all of it again takes a fifth of a second. */
export async function writeSample(
  location: string,
  rules: readonly Rule[] = ['dpa', 'roe', 'fa', 'fa_exact', 'roe_fa'],
  collective: readonly number[] | null = [1],
): Promise<void> {
  const folder = path.dirname(location)
  const { certificate, manifests } = await certify(samples(40, 1), samples(5, 2), {
    learners: headLearners({ kind: 'ridge' }),
    threat: {
      threat: 'label_flip',
      encoder: { digest: 'none', trust: 'fixed', labelsUsed: false, trainedOn: null },
    },
    ...{ by: 'content', partitions: 4, rules, threads: 1, votesDirectory: folder },
    ...(rules.some(needsSpread) ? { spread: 2 } : {}),
    ...(collective === null ? {} : { collective }),
    whiteBox: rules.includes('dpa'),
  })
  await writeCertificate(folder, certificate, manifests)
}

export async function writeImported(location: string): Promise<void> {
  const stream = new RandomStream(3, 'scores')
  const scores = Float64Array.from({ length: 4 * 6 * 3 }, () => stream.integer(4))
  const ballots = ballotsFromScores(scores, 4, 6, 3)
  const { stored } = await writeBallots(path.dirname(location), 'imported', ballots, (add) => add(ballots))
  const imported = { ballots, ids: undefined, labels: [0, 1, null, 2] }
  const certificate = certifyImported(imported, { rule: 'roe_fa', offsets: [0, 2] })
  await writeFileAtomic(location, JSON.stringify({ ...certificate, ballots: stored }))
}

async function writeStudy(location: string): Promise<void> {
  const learner = doseLearner(samples(40, 1), samples(10, 2), {
    ...{ name: 'a', learners: headLearners({ kind: 'nearest_mean' }), threads: 1 },
  })
  await writeFileAtomic(location, JSON.stringify(await lethalDose([learner], { partitions: [2, 5], subsets: 10 })))
}

/** The certificate next to a file of it. */
const verify = (location: string) => verifyVotes(path.join(path.dirname(location), 'certificate.json'))

/** One file next to a certificate, which changes. */
function beside(
  name: string,
  folder: string,
  file: string,
  mutate: typeof mutateBytes,
  write: typeof writeSample = writeSample,
): Format {
  return single(
    name,
    `${folder}/${file}`,
    async (location) => {
      await write(location)
      if (!readdirSync(path.dirname(location)).includes(file)) throw new Error(`expected certify to write ${file}`)
    },
    mutate,
    verify,
  )
}

export const certificateFormats: readonly Format[] = [
  single('certificate', 'certificate/certificate.json', writeSample, mutateDocument, verify),
  single(
    'imported certificate',
    'imported/imported-certificate-roe_fa.json',
    writeImported,
    mutateDocument,
    verifyVotes,
  ),
  beside('votes of a certificate', 'votes', 'ballots-k4-d1.npy', mutateBytes),
  beside('flips of a certificate', 'flips', 'flips-k4-d1.npy', mutateBytes, (location) =>
    writeSample(location, ['dpa'], null),
  ),
  beside('buckets of a certificate', 'buckets', 'buckets-8.json', mutateDocument, (location) =>
    writeSample(location, ['fa'], null),
  ),
  beside('protected set of a certificate', 'protected-set', 'protected-set.json', mutateDocument, (location) =>
    writeSample(location, ['fa'], null),
  ),
  beside('statement about a certificate', 'statement', 'statement.json', mutateDocument, async (location) => {
    await writeSample(location, ['dpa'], null)
    await attestCertificate(path.dirname(location))
  }),
  single('dose study', 'dose/lethal-dose.json', writeStudy, mutateDocument, async (location) => {
    proposeFromDose(await readDoseStudy(location), 60)
  }),
]
