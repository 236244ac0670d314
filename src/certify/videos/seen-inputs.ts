/** Which videos to predict the learners have seen already, by content: accuracy on these says nothing of new videos. */
import { contentsOfVideo, type LabeledVideo } from '../../dataset/dataset.ts'
import { videosOf } from '../../inference/trained-on.ts'
import { checkpointLocation } from '../../train/open-checkpoint.ts'
import { trainingUse } from '../../train/training-use.ts'
import type { FeatureSource } from './feature-source.ts'

/** Counts of the videos to predict. */
export interface SeenInputs {
  /** Videos to predict. */
  readonly predicted: number
  /** Those with the content of a protected video. */
  readonly protected: number
  /** Those whose labels trained or chose an encoder. */
  readonly encoderWithLabels: number
  /** Those that an encoder was trained on without labels. */
  readonly encoderWithoutLabels: number
  /** Why an encoder may have seen more of them; null where these are all. */
  readonly open: string | null
}

interface Sides {
  readonly train: readonly LabeledVideo[]
  readonly test: readonly LabeledVideo[]
}

/**
 * Which inputs and protected videos an encoder was trained on.
 *
 * @throws VideoMaeError what `trainingUse` throws
 */
export async function seenInputs(sources: readonly FeatureSource[], { train, test }: Sides): Promise<SeenInputs> {
  const withLabels = new Set<LabeledVideo>()
  const withoutLabels = new Set<LabeledVideo>()
  let open: string | null = null
  for (const source of sources) {
    if (source.kind !== 'encoder') continue
    const use = await trainingUse(await checkpointLocation(source.path))
    for (const video of videosOf(test, use.withLabels)) withLabels.add(video)
    for (const video of videosOf(test, use.withoutLabels)) withoutLabels.add(video)
    if (use.open !== null) open ??= `of ${source.name}: ${use.open}`
  }
  return {
    predicted: test.length,
    protected: inputsInTraining({ train, test }),
    encoderWithLabels: withLabels.size,
    encoderWithoutLabels: [...withoutLabels].filter((video) => !withLabels.has(video)).length,
    open,
  }
}

/** Videos to predict with the content of a protected video. */
export function inputsInTraining({ train, test }: Sides): number {
  return videosOf(test, new Set(train.flatMap(contentsOfVideo))).length
}

/** What a user should know of them, one sentence each. */
export function seenRemarks({ predicted, protected: inTraining, encoderWithLabels }: SeenInputs): string[] {
  const of = (count: number): string => `${count} of the ${predicted} videos to predict`
  return [
    ...(inTraining === 0
      ? []
      : [
          `${of(inTraining)} ${inTraining === 1 ? 'has' : 'have'} the content of a protected video; accuracy will look better than it is.`,
        ]),
    ...(encoderWithLabels === 0
      ? []
      : [
          `${of(encoderWithLabels)} ${encoderWithLabels === 1 ? 'was' : 'were'} used, with labels, to train or to choose the encoder; accuracy will look better than it is.`,
        ]),
  ]
}
