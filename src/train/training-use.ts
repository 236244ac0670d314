/**
 * What part each video had in the training of weights: a number that is computed on videos whose labels the weights have seen says
 * nothing of new videos. Files are compared by their contents, so copies and renamed files count, too.
 */
import { namesNoWeights, recordedManifest } from './training-manifest.ts'

export interface TrainingUse {
  /** SHA-256 of files whose labels trained the weights, or chose among them. */
  readonly withLabels: ReadonlySet<string>
  /** SHA-256 of files that the weights were trained on without labels. */
  readonly withoutLabels: ReadonlySet<string>
  /** Why there may be more, a part of a sentence; null where this is all. */
  readonly open: string | null
}

/** Of weights of which nothing is written down. */
export function unknownUse(open: string): TrainingUse {
  return { withLabels: new Set(), withoutLabels: new Set(), open }
}

/**
 * What the training manifest next to weights says.
 *
 * @param location folder or file of the weights
 * @throws VideoMaeError what `recordedManifest` throws
 */
export async function trainingUse(location: string): Promise<TrainingUse> {
  const found = await recordedManifest(location)
  if (found === null) return unknownUse('there is no training-manifest.json next to its weights')
  if (!found.named) return unknownUse(namesNoWeights)
  const { labeled, samples, withLabels, heldOut = [], start, changed } = found.content
  if (labeled && withLabels === undefined)
    return unknownUse('its training-manifest.json does not say which videos were used only for testing')
  const seen = new Set(withLabels)
  const out = new Set(heldOut)
  return {
    withLabels: seen,
    withoutLabels: new Set(samples.filter((digest) => !seen.has(digest) && !out.has(digest))),
    open:
      start !== null
        ? `its training started from ${start.from}, whose training data are unknown`
        : changed > 0
          ? `${changed} of its training files changed during training`
          : null,
  }
}
