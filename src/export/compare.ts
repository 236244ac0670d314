/** Whether an exported classifier answers as its checkpoint does. */
import { fileDigestOf, type LabeledVideo } from '../dataset/dataset.ts'
import { type Evaluation, evaluateVideos, type VideoFailure } from '../inference/evaluate.ts'
import { openAnyClassifier } from '../inference/predict.ts'
import { videosOf, withDigests } from '../inference/trained-on.ts'
import type { VideoEntry } from '../video/types.ts'

/** How a checkpoint and its exported file are compared. */
export interface CompareExportOptions {
  /** For the checkpoint; default: the best one here. The file runs on ONNX Runtime. */
  readonly engine?: string | null
  /** Videos that bounds of activations were measured on: those that are tested, too, are named. */
  readonly calibratedOn?: readonly VideoEntry[]
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
}

/** Scores of a checkpoint and of a file that was exported from it, on the same videos. */
export interface ExportComparison {
  /** Scores of the checkpoint. */
  readonly checkpoint: Evaluation['scores']
  /** Scores of the exported file. */
  readonly file: Evaluation['scores']
  /** Videos that get the same answer from both. */
  readonly sameAnswer: number
  /** Which of the videos the checkpoint was trained on. */
  readonly trainedOn: Evaluation['trainedOn']
  /** Ids of the videos that bounds of activations were measured on, too. */
  readonly calibratedOn: readonly string[]
  /** Videos that could not be read. */
  readonly failures: readonly VideoFailure[]
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Evaluates a checkpoint in float32 and a file that was exported from it on labeled videos, one view of each.
 *
 * @param checkpoint a folder of a fine-tuned classifier, or a run folder (its best checkpoint)
 * @param file the ONNX file, or a Hugging Face directory
 * @param videos with classes of the checkpoint, for example those of `openDataset`
 * @throws VideoMaeError what `openAnyClassifier` and `evaluateVideos` throw; the reason of `signal`
 * @example
 * ```ts
 * import { compareExport, openDataset, videosOfSplit } from 'videomae'
 *
 * const { videos } = await openDataset('videos/labels.csv')
 * const tested = videosOfSplit(videos, 'test')
 * const { sameAnswer } = await compareExport('checkpoints/classifier', 'classifier.onnx', tested)
 * sameAnswer // => 16
 * ```
 */
export async function compareExport(
  checkpoint: string,
  file: string,
  videos: readonly LabeledVideo[],
  { engine = null, calibratedOn = [], signal }: CompareExportOptions = {},
): Promise<ExportComparison> {
  const before = await evaluated(checkpoint, engine, videos, signal)
  const after = await evaluated(file, null, videos, signal)
  // By id: a video that could be read once only, for want of time, would move all behind it.
  const answers = new Map(after.predictions.map(({ id, predicted }) => [id, predicted]))
  const sameAnswer = before.predictions.filter(({ id, predicted }) => predicted === answers.get(id)).length
  const scored = videos.filter(({ id }) => answers.has(id))
  const both = await sameContent(scored, calibratedOn, signal)
  return {
    ...{ checkpoint: before.scores, file: after.scores, sameAnswer, calibratedOn: both, failures: before.failures },
    // The file says nothing of its training: what the checkpoint says is true of it, too.
    trainedOn: before.trainedOn,
    warnings: [
      ...before.warnings,
      ...(both.length === 0
        ? []
        : [
            `${both.length} of the ${scored.length} test videos were also used for calibration: 8-bit integers may lose more accuracy on new videos.`,
          ]),
    ],
  }
}

async function evaluated(
  location: string,
  engine: string | null,
  videos: readonly LabeledVideo[],
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  const classifier = await openAnyClassifier(location, { engine })
  try {
    return await evaluateVideos(classifier, videos, { clips: 1, crops: 1, signal })
  } finally {
    await classifier.close()
  }
}

/** Ids of videos whose files have the content of one of `others`. */
async function sameContent(
  videos: readonly LabeledVideo[],
  others: readonly VideoEntry[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (others.length === 0) return []
  const contents = (await withDigests(others, signal)).flatMap((video) =>
    video.digest === null ? [] : [fileDigestOf(video)],
  )
  return videosOf(await withDigests(videos, signal), new Set(contents)).map(({ id }) => id)
}
