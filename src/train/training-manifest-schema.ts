/** What `training-manifest.json` holds. */
import { z } from 'zod'
import { stateDigestKey } from './state-digest.ts'

const digests = z.array(z.string().regex(/^[0-9a-f]{64}$/))

export const trainingManifestSchema = z.strictObject({
  schema: z.literal('videomae.training-manifest/2'),
  /** `weightsDigest` of the weights that it is about: those next to it, and their average. Absent in files of earlier versions. */
  weights: digests.optional(),
  /** Null where the training itself wrote it; else what it was put together from afterwards, as a digest. */
  list: z.string().nullable(),
  /** Whether labels took part. */
  labeled: z.boolean(),
  /**
   * SHA-256 of every file that took part, sorted; also of those that prepared videos were made of, and of those behind the weights that the run
   * started from.
   */
  samples: digests,
  /** Those of `samples` whose labels trained the weights or chose among them; absent where that is not known. */
  withLabels: digests.optional(),
  /** Those of `samples` that trained nothing: a run was only tested on them, or left them out. */
  heldOut: digests.optional(),
  /**
   * Those of `samples` whose labels a run has read at all: also to draw a split or to list the classes. Absent where that is not known;
   * then it may be all of them, if labels took part.
   */
  labelsRead: digests.optional(),
  /** Files that changed while they were trained on: what was seen of them is not known. */
  changed: z.int().min(0),
  /** Weights that the run started from and whose training is not in `samples`. */
  start: z.strictObject({ from: z.string(), weights: z.string() }).nullable(),
  /** SHA-256 of all other entries. Absent in files of earlier versions. */
  [stateDigestKey]: z.string().optional(),
})

/** `training-manifest.json`. */
export type TrainingManifestContent = z.output<typeof trainingManifestSchema>
