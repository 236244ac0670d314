/** From a checkpoint to what a threat declaration must say about it. */

import { invalidArgument } from '../../core/errors.ts'
import { featureProgram } from '../../inference/encoder-source.ts'
import { sha256 } from '../ensemble/hash.ts'
import type { EncoderProvenance, EncoderTrust } from '../threat/threat.ts'
import type { FeatureSource } from './feature-source.ts'
import { joinManifests, manifestOfData, type TrainingManifest, trainingManifestOf } from './training-manifest.ts'

export interface ProvenanceOptions {
  /** Where the encoder comes from; default: concluded from its training manifest. */
  readonly trust?: EncoderTrust
  /** Data the encoder was trained on, or its `training-manifest.json`, besides what its run says. */
  readonly trainedOn?: string
  /** Labels of the protected set took part in making or choosing the encoder. Default: concluded. */
  readonly labelsUsed?: boolean
  /** Contents of videos that fix the scale of features: they count as training videos. */
  readonly scaledOn?: readonly string[]
  readonly signal?: AbortSignal
}

/**
 * The trust that is concluded where none is given: `fixed` without training; `protected_set` where the training manifest
 * shares a video with the protected set; `external` where it shares none; `public` where there is no manifest.
 *
 * @param protectedDigests SHA-256 of the protected files
 * @returns the provenance, and what a user should know, one sentence each
 * @throws VideoMaeError `INVALID_ARGUMENT` for trust `fixed` of something that was trained
 */
export async function encoderProvenance(
  source: FeatureSource,
  protectedDigests: readonly string[],
  options: ProvenanceOptions = {},
): Promise<{ provenance: EncoderProvenance; notes: readonly string[] }> {
  const { scaledOn = [], signal } = options
  const notes: string[] = []
  const training = await trainingOf(source, options, notes, signal)
  const samples = new Set([...(training?.manifest.samples ?? []), ...scaledOn])
  const shared = new Set(protectedDigests.filter((digest) => samples.has(digest))).size
  const untrained = source.kind !== 'encoder'
  const fixed = untrained && scaledOn.length === 0
  if (options.trust === 'fixed' && !fixed)
    throw invalidArgument(
      'trust',
      '"external" or "public", because weights or a scale were fitted to data',
      options.trust,
    )
  // Only a manifest of all training data can back the claim that it shares nothing.
  const complete = training === null || training.complete
  const concluded: EncoderTrust = shared > 0 ? 'protected_set' : fixed ? 'fixed' : complete ? 'external' : 'public'
  // Labels of data that is not known may be those of the protected set. Where all is known, it depends on whose labels were read:
  // those of other videos leave the encoder what it is when a protected label is flipped, also if it was pretrained on the video.
  const labels = training?.manifest.labelsRead
  const readProtected = labels !== undefined && protectedDigests.some((digest) => labels.has(digest))
  const labelsUsed = training?.manifest.labeled === true && (readProtected || !complete)
  return {
    provenance: {
      digest: digestOf(source, scaledOn),
      trust: options.trust ?? concluded,
      // What a user says cannot hide what the manifest knows.
      labelsUsed: options.labelsUsed === true || labelsUsed,
      trainedOn:
        samples.size > 0 && (complete || shared > 0)
          ? { manifest: sha256([training?.manifest.digest ?? '', ...scaledOn].join('\n')), samples }
          : null,
    },
    notes,
  }
}

/** What is known of the training of an encoder, and whether that is all; null where there was none. */
async function trainingOf(
  source: FeatureSource,
  { trainedOn }: ProvenanceOptions,
  notes: string[],
  signal: AbortSignal | undefined,
): Promise<{ readonly manifest: TrainingManifest; readonly complete: boolean } | null> {
  if (source.kind !== 'encoder') return null
  const outcome = await trainingManifestOf(source.path, signal)
  const manifest = outcome.known ? outcome.manifest : outcome.atLeast
  // What a user names cannot hide what the run itself knows.
  if (trainedOn !== undefined)
    return { manifest: joinManifests(manifest, await manifestOfData(trainedOn, signal)), complete: true }
  if (!outcome.known) {
    const labels = manifest.labeled ? ' Labels were used; they are assumed to include labels of the protected set.' : ''
    notes.push(`The training data of ${source.name} are unknown: ${outcome.why}.${labels} Name them with --trained-on.`)
  }
  return { manifest, complete: outcome.known }
}

/** SHA-256 of weights and architecture that features are computed with, and of everything else that is the same for all videos. */
export function digestOf(source: FeatureSource, scaledOn: readonly string[]): string {
  const weights = weightsOf(source)
  return scaledOn.length === 0 ? weights : sha256([weights, ...[...scaledOn].sort()].join('\n'))
}

/** SHA-256 of what computes features of a clip: weights, architecture and readout. */
export function weightsOf(source: FeatureSource): string {
  if (source.kind === 'pixels') {
    // Certificates of earlier versions know no readout.
    const readout = source.readout === null ? [] : [source.readout]
    return sha256(JSON.stringify(['pixels', source.size, source.frames, source.sampling, ...readout]))
  }
  if (source.kind === 'scratch') return sha256(JSON.stringify(['scratch', source.source.configuration]))
  const { digest } = featureProgram(source.source, 'pooled', 1)
  const { kind, readout } = source
  // The sampling of clips is a part of the function only without an encoder.
  if (kind === 'patches') return sha256(JSON.stringify(['patches', digest, source.source.sampling, readout]))
  // Certificates of earlier versions know no readout.
  return readout === 'mean' ? digest : sha256(JSON.stringify(['readout', digest, readout]))
}
