/** The form of the certificate files, for readers of other people's files and as JSON schemas (docs/schema). */
import { z } from 'zod'
import { rules, runRules } from '../rules/list.ts'
import { mostClasses } from '../rules/plurality.ts'
import { threats } from '../threat/names.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.number().int().nonnegative()
const positive = z.number().int().positive()
const share = z.number().min(0).max(1)
/** No folder: what a certificate names is next to it. */
const fileName = z
  .string()
  .max(200)
  .regex(/^[\w-][\w.-]*$/)

const storedBallots = z.strictObject({
  file: fileName,
  sha256,
  inputs: positive,
  learners: positive,
  classes: z.number().int().min(2).max(mostClasses),
  places: positive,
})
const storedFlips = z.strictObject({ file: fileName, sha256, samples: count, largestUnit: positive })

const summary = z.strictObject({
  inputs: positive,
  cleanAccuracy: share,
  certifiedAccuracy: z.array(share),
  medianRadius: count.nullable(),
  medianAsPrintedByReferenceScripts: count,
  averageCertifiedRadius: z.number().nonnegative(),
})

/** What every rule says of one input. */
const inputCertificate = {
  prediction: count,
  radius: count,
  rivals: z.array(count).max(2),
  round: z.union([z.literal(1), z.literal(2)]).optional(),
  labelRadius: count.optional(),
  earliness: count.optional(),
  exact: z.boolean().optional(),
  abstentions: count,
  targets: z.array(z.strictObject({ class: count, poisons: count.nullable() })).optional(),
}

const targeted = z
  .array(z.strictObject({ class: count, inputs: count, ruledOut: z.array(share), medianRuledOut: count.nullable() }))
  .min(1)
  .optional()

const periods = z.strictObject({ until: z.number(), length: z.number().positive(), coverage: positive })

const collective = z.array(z.strictObject({ budget: count, changedAtMost: count, certifiedAccuracy: share })).max(1000)

const run = z.strictObject({
  rule: z.enum(runRules),
  partitions: positive,
  spread: positive,
  seeds: positive,
  learners: positive,
  offsets: z.array(count),
  groups: positive.nullable(),
  periods: periods.optional(),
  bucketManifest: sha256,
  learnersDigest: sha256,
  emptyLearners: count,
  singleClassLearners: count,
  samples: z.strictObject({ fewest: count, median: count, most: count }),
  warnings: z.array(z.string()),
  baseAccuracy: share,
  abstentions: count,
  summary,
  exactRadii: count.nullable(),
  earliness: summary.optional(),
  collective: collective.nullable(),
  targeted,
  inputs: z.array(z.strictObject({ id: z.string(), label: count, ...inputCertificate })).nullable(),
  ballots: storedBallots.nullable().optional(),
  flips: storedFlips.nullable().optional(),
  learnersFile: fileName.nullable().optional(),
  ensemble: z.strictObject({ file: fileName, digest: sha256 }).nullable().optional(),
})
/** Samples of a learner are counted with its offsets. */
const placedRun = run.refine(({ offsets, learners }) => offsets.every((offset) => offset < learners), {
  path: ['offsets'],
  error: 'expected numbers below learners',
})

const by = z.enum(['content', 'id', 'source', 'time'])

const threat = z.strictObject({
  threat: z.enum(threats),
  unit: z.string(),
  claim: z.string(),
  conditions: z.array(z.string()),
  notCovered: z.array(z.string()),
  encoder: z.strictObject({
    digest: z.string(),
    trust: z.enum(['external', 'public', 'protected_set', 'per_group', 'fixed']),
    labelsUsed: z.boolean(),
    trainedOn: z.string().nullable(),
    overlap: count.nullable(),
  }),
})

const leftOut = z.array(
  z.strictObject({
    id: z.string(),
    side: z.enum(['training', 'test', 'trusted']).nullable(),
    code: z.string(),
    reason: z.string(),
  }),
)

const data = z.strictObject({
  source: z.string(),
  test: z.string().nullable(),
  read: z.array(
    z.strictObject({
      source: z.string(),
      kind: z.enum(['folder', 'list', 'video']),
      sha256: sha256.nullable(),
      format: z.string().nullable(),
      encoding: z.string().nullable(),
      columns: z.array(z.strictObject({ role: z.string(), name: z.string() })),
      unused: z.array(z.strictObject({ name: z.string(), why: z.string().optional() })),
    }),
  ),
  division: z.string(),
  rows: count,
  protected: count,
  predicted: count,
  leftOut,
  trusted: z.strictObject({ source: z.string(), videos: count, leftOut }).nullable(),
  seen: z.strictObject({
    predicted: count,
    protected: count,
    encoderWithLabels: count,
    encoderWithoutLabels: count,
    open: z.string().nullable(),
  }),
  classes: z.enum(['any', 'declared']),
  classesFrom: z.string(),
  classesDigest: sha256.nullable(),
})

const storedFile = z.strictObject({ file: fileName, sha256 })

/** Files that `certificate.json` names; absent in certificates of earlier versions. */
const samples = z.strictObject({ protectedSet: storedFile, inputs: storedFile.nullable() }).nullable()

const provenance = z.strictObject({
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  decoder: z.string().nullable().optional(),
})

/** `protected-set.json` and `certified-inputs.json`. */
export const samplesSchema = z.strictObject({
  schema: z.literal('videomae.samples/1'),
  side: z.enum(['protected', 'inputs']),
  by,
  samples: z.array(
    z.strictObject({
      id: z.string(),
      sha256: z.string(),
      original: z.string().optional(),
      part: z.string().optional(),
      label: z.string(),
      rows: positive,
      group: z.string().optional(),
      time: z.number().optional(),
    }),
  ),
})

/** Earlier versions have fewer of them. */
const options = z.looseObject({
  from: z.array(z.string()).optional(),
  readout: z.string().optional(),
  testShare: share.optional(),
  seed: z.number().optional(),
  split: z.string().nullable().optional(),
  clips: positive.optional(),
  augment: z.array(z.string()).optional(),
  testClips: positive.optional(),
  stride: positive.nullable().optional(),
  trusted: z.string().nullable().optional(),
  decoder: z.string().optional(),
  engine: z.string().nullable().optional(),
})

/** `certificate.json`. `data` and `options` are there where videos were certified, both or neither. */
export const certificateSchema = z.strictObject({
  schema: z.literal('videomae.certificate/1'),
  threat,
  buckets: z.strictObject({ by, hash: z.string() }),
  learner: z.looseObject({ kind: z.string() }),
  classNames: z.array(z.string()).min(2),
  mostFrequentClass: z.strictObject({ name: z.string(), accuracy: share }),
  baseline: z.strictObject({ name: z.string(), accuracy: share }).optional(),
  trainingRows: count,
  trainingVideos: count,
  runs: z.array(placedRun).min(1).max(10_000),
  data: data.optional(),
  options: options.optional(),
  samples: samples.optional(),
  provenance: provenance.optional(),
})

const votesReading = z.strictObject({
  file: z.string(),
  sha256,
  format: z.string(),
  kind: z.enum(['votes', 'scores']),
  inputs: positive,
  learners: positive,
  seeds: positive,
  classes: positive,
  firstClass: count,
  classCells: z.enum(['names', 'numbers', 'both']).optional(),
  columns: z.array(z.string()).nullable(),
  reordered: z.boolean(),
  ids: z.string().nullable(),
  labels: z.string().nullable(),
  unknownLabels: count,
  abstentions: count,
  ties: count,
  notUsed: z.array(z.string()),
  notes: z.array(z.string()),
})

/** `imported-certificate-RULE.json`. */
export const importedCertificateSchema = z.strictObject({
  schema: z.literal('videomae.imported-certificate/1'),
  votes: votesReading.nullable(),
  rule: z.strictObject({
    rule: z.enum(rules),
    offsets: z.array(count).optional(),
    groups: positive.optional(),
    coverage: positive.optional(),
    targets: z.array(count).min(1).optional(),
  }),
  learners: positive,
  classNames: z.array(z.string()).nullable(),
  conditions: z.array(z.string()),
  summary: summary.nullable(),
  exactRadii: count.nullable(),
  targeted,
  collective: collective.min(1).optional(),
  inputs: z.array(z.strictObject({ id: z.string(), label: count.nullable(), ...inputCertificate })).nullable(),
  ballots: storedBallots.nullable().optional(),
})

/** `buckets-LEARNERS.json`. */
export const bucketsSchema = z.strictObject({
  schema: z.literal('videomae.buckets/1'),
  hash: z.string(),
  by,
  buckets: positive,
  groups: positive.nullable(),
  unit: z.string(),
  periods: periods.optional(),
  rows: count,
  videos: count,
  sizes: z.array(count),
  empty: z.array(count),
  assignment: z.array(z.tuple([z.string(), count])),
  digest: sha256,
})

export type ReadCertificate = z.infer<typeof certificateSchema>
export type ReadRun = ReadCertificate['runs'][number]
export type ReadImportedCertificate = z.infer<typeof importedCertificateSchema>
export type ReadBuckets = z.infer<typeof bucketsSchema>
export type ReadSamples = z.infer<typeof samplesSchema>

/** JSON schemas of the files, by the name of the file in docs/schema. */
export function certificateJsonSchemas(): Readonly<Record<string, unknown>> {
  return {
    'certificate-1.json': z.toJSONSchema(certificateSchema),
    'imported-certificate-1.json': z.toJSONSchema(importedCertificateSchema),
    'buckets-1.json': z.toJSONSchema(bucketsSchema),
    'samples-1.json': z.toJSONSchema(samplesSchema),
  }
}
