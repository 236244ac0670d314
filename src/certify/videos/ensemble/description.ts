/** What an ensemble file says in addition to the numbers of its heads: everything that prediction and radius depend on, and the claim. */
import { z } from 'zod'
import { largestCounts } from '../../../core/counts.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import { largestResize } from '../../../core/frame-size.ts'
import { augmentationKinds } from '../../../inference/augmentation-names.ts'
import { testSamplingSchema } from '../../../inference/views.ts'
import { readoutSchema } from '../../../model/readout.ts'
import { type ResolvedHead, readHead } from '../../ensemble/heads/list.ts'
import { needsGroups, needsPeriods, needsSpread, rules, rulesOfLayout } from '../../rules/list.ts'
import { mostClasses } from '../../rules/plurality.ts'
import { otherClasses } from '../../threat/class-names.ts'
import { threats } from '../../threat/names.ts'
import { threatStatement } from '../../threat/threat.ts'
import { hogReadouts } from '../hog.ts'

const whole = z.int().min(1).max(mostClasses)
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal')
/** Pixels of a side, and frames of a clip: far above what any encoder takes. */
const side = z.int().min(1).max(largestResize)

/** How a clip of a video is made that an encoder reads: the middle of the picture. */
const encoderSchema = z.strictObject({
  /** As it was given: a folder, `untrained:CHECKPOINT` or `pixels`. */
  name: z.string().min(1),
  digest,
  frames: side,
  size: z.strictObject({
    height: side,
    width: side,
    resize: z.union([z.strictObject({ shortEdge: side }), z.strictObject({ height: side, width: side })]).optional(),
  }),
  sampling: testSamplingSchema,
})

/** What `headLearners` takes, with every value filled in. */
const headSchema = z.unknown().transform((value, context): ResolvedHead => {
  const head = readHead(value)
  if (head !== null) return head
  context.addIssue({ code: 'custom', message: 'Expected a kind of head with all of its options and no others' })
  return z.NEVER
})

const threatSchema = z.strictObject({
  threat: z.enum(threats),
  unit: z.string(),
  claim: z.string().min(1),
  conditions: z.array(z.string()),
  notCovered: z.array(z.string()),
  encoder: z.strictObject({
    digest,
    trust: z.enum(['external', 'public', 'protected_set', 'per_group', 'fixed']),
    labelsUsed: z.boolean(),
    trainedOn: z.string().nullable(),
    overlap: z.int().nullable(),
  }),
})

export const descriptionSchema = z.strictObject({
  schema: z.literal('videomae.ensemble/1'),
  /** The rules that may be used with these learners: those that `certify` was asked for. */
  rules: z.array(z.enum(rules)).min(1),
  partitions: whole,
  spread: whole,
  /** [spread] the learners that partition 0 reached; none with rule `temporal`. */
  offsets: z.array(z.int().min(0)),
  groups: whole.nullable(),
  periods: z
    .strictObject({
      until: z.number(),
      length: z.number().positive(),
      coverage: z.int().min(1).max(largestCounts.coverage),
    })
    .nullable(),
  /** Of the split, the spread and fresh weights. */
  seed: z.int(),
  /** Models of each partition whose scores are summed. Heads draw no random numbers, so it is 1. */
  seeds: z.literal(1),
  by: z.enum(['content', 'id', 'source', 'time']),
  /** Digests of `certificate.json`, too: which sample is in which partition, and the trained learners. */
  bucketManifest: digest,
  learnersDigest: digest,
  classes: z.enum(['any', 'declared']),
  classNames: z
    .array(z.string())
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'names that differ'),
  head: headSchema,
  threat: threatSchema,
  /** What makes the ensemble look stronger than it is. */
  warnings: z.array(z.string()),
  features: z.strictObject({
    kind: z.literal('pooled'),
    /** What features are of the tokens. Absent: their mean, or plain pixels. */
    readout: z
      .union([z.enum(hogReadouts), readoutSchema], {
        error: ({ input }) => `expected a readout, but it is ${JSON.stringify(input)}`,
      })
      .optional(),
    /** Further clips of each training video that the heads were trained on. */
    augment: z.array(z.enum(augmentationKinds)).optional(),
    /** Clips of a video to predict, whose features are averaged. Absent: one, the middle. */
    testClips: z.int().min(2).max(largestCounts.testClips).optional(),
    /** Name and variant of the engine; null without an encoder. */
    engine: z.string().min(1).nullable(),
    decoder: z.enum(['node-av', 'ffmpeg']),
    /** One, or one for each encoder group. */
    encoders: z.array(encoderSchema).min(1),
  }),
})

/** The description of an ensemble file, schema `videomae.ensemble/1`. */
export type EnsembleDescription = z.output<typeof descriptionSchema>
export type EnsembleEncoder = EnsembleDescription['features']['encoders'][number]

/**
 * What does not fit together in a description, with the field in front; null where everything does. A rule that counts one vote for
 * each poisoned sample would give a wrong radius where a poisoned sample reaches several.
 *
 * @param learners in the file
 */
export function contradiction(description: EnsembleDescription, learners: number): string | null {
  const { rules: mine, partitions, spread, offsets, groups, periods, by, features } = description
  const spreads = mine.map(needsSpread)
  const temporal = mine.some(needsPeriods)
  if (partitions * spread !== learners)
    return `partitions: ${partitions} x ${spread} (spread) is not the number of base classifiers of heads, ${learners}`
  if (new Set(mine).size !== mine.length) return 'rules: one of them is named twice'
  if (spreads.includes(true) && spreads.includes(false)) return 'rules: some have a spread and some do not'
  if (!spreads[0] && spread !== 1)
    return `spread: ${spread} with rule ${mine[0]}, which counts one vote per poisoned sample`
  if (temporal && mine.length > 1) return `rules: ${rulesOfLayout('periods')} cannot be combined with other rules`
  if (temporal !== (periods !== null) || temporal !== (by === 'time'))
    return `periods: only rule ${rulesOfLayout('periods')} with partitions by time has them`
  if (offsets.length !== (temporal ? 0 : spread)) return `offsets: ${offsets.length} of them with spread ${spread}`
  if (new Set(offsets).size !== offsets.length || offsets.some((offset) => offset >= learners))
    return `offsets: expected different base classifiers below ${learners}`
  if (!temporal && !spreads[0] && offsets[0] !== 0) return `offsets: ${offsets[0]} without a spread`
  if (mine.some(needsGroups) && groups === null) return `groups: rule ${rulesOfLayout('groups')} needs their number`
  if (groups !== null && learners % groups !== 0) return `groups: ${groups} do not divide ${learners} base classifiers`
  const { classes, classNames } = description
  const reserved = classNames.find(
    (name, c) => c >= (classes === 'any' ? otherClasses.length : 0) && otherClasses.includes(name),
  )
  if (reserved !== undefined) return `classNames: ${reserved} cannot be a class`
  if (classes === 'any' && otherClasses.some((name, c) => classNames[c] !== name))
    return `classes: any, but the first classNames are not ${otherClasses.join(' and ')}`
  const refusal = refusedClaim(description)
  if (refusal !== null) return `threat: ${refusal}`
  const { length } = features.encoders
  if (length > 1 && length !== groups) return `features.encoders: ${length} of them with ${groups ?? 'no'} groups`
  return null
}

/** Why `certify` would refuse the claim; null where it holds. */
function refusedClaim({ threat, by, rules: mine }: EnsembleDescription): string | null {
  try {
    threatStatement(threat.threat, by, mine, threat.encoder)
    return null
  } catch (error) {
    if (error instanceof VideoMaeError && error.code === 'THREAT_NOT_CERTIFIED') return error.message
    throw error
  }
}
