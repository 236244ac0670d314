import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { openClassifier } from '../inference/classifier.ts'
import { type Evaluation, evaluateVideos } from '../inference/evaluate.ts'
import { openClipClassifier } from '../inference/predict-videos.ts'
import { spreadClassifier } from '../inference/rank-predictions.ts'
import { bestFolder } from '../train/open-checkpoint.ts'
import { rankResources } from '../train/rank-resources.ts'
import { engineOptions } from '../train/training-session.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { type FinetuneConfiguration, loadingOptions } from './configuration.ts'
import { interruptible } from './interruption.ts'

export interface TestOptions {
  /** Folder of the run, on rank 0. */
  readonly out: string
  readonly ranks: Ranks
  readonly processes?: IdleProcesses
  readonly signal?: AbortSignal
  /** Tested videos. */
  readonly onTest?: (done: number, total: number) => void
}

const inTest = {
  message: 'Stopped during the test of the best checkpoint; training is finished and saved.',
  hint: 'Run the same command again with --resume: it repeats only the test.',
}

/**
 * Tests the chosen checkpoint, over all ranks. Collective.
 *
 * @returns null where none of the videos can be read
 * @throws VideoMaeError `INTERRUPTED`, and what opening and predicting throw
 */
export async function testBest(
  configuration: FinetuneConfiguration,
  videos: readonly LabeledVideo[],
  { out, ranks, processes, signal, onTest }: TestOptions,
): Promise<Evaluation | null> {
  const { evaluation } = configuration
  const { data, engine } = rankResources(configuration, ranks)
  const test = async (): Promise<Evaluation | null> => {
    // The run folder is where rank 0 is.
    const best = await ranks.agree(() => (ranks.rank === 0 ? openClassifier(path.resolve(out, bestFolder)) : null))
    const trained = await spreadClassifier(ranks, best)
    const options = { ...engineOptions(engine), engine: engine.name, batch: evaluation.batch }
    const classifier = await ranks.agree(() => openClipClassifier(trained, options))
    try {
      return await evaluateVideos(classifier, videos, {
        clips: evaluation.clips,
        crops: evaluation.crops,
        ...loadingOptions(data),
        ...{ processes, signal, ranks },
        onProgress: onTest,
      })
    } catch (error) {
      if (error instanceof VideoMaeError && error.code === 'NOTHING_TO_EVALUATE') return null
      throw error
    } finally {
      await classifier.close()
    }
  }
  return interruptible(signal, inTest, test)
}
