import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { openClassifier } from './classifier.ts'
import { openOnnxClassifier } from './onnx-classifier.ts'
import {
  type ClassifierEngineOptions,
  type ClipClassifier,
  openClipClassifier,
  predictVideos,
  type ViewOptions,
} from './predict-videos.ts'

/**
 * Opens whatever a user may name as a classifier: an exported `.onnx` file, which is all that is needed then, or what
 * `openClassifier` opens.
 */
export async function openAnyClassifier(from: string, options: ClassifierEngineOptions = {}): Promise<ClipClassifier> {
  if (path.extname(from).toLowerCase() === '.onnx') {
    return openOnnxClassifier(from, { batch: options.batch, threads: options.threads })
  }
  return openClipClassifier(await openClassifier(from), options)
}

export interface PredictOptions extends ViewOptions, ClassifierEngineOptions {
  /** A checkpoint, a run folder, a Hugging Face directory or an exported ONNX file. */
  readonly from: string
  /** Classes that are returned, the most probable first. Default 5. */
  readonly top?: number
  /** What a user should know about the classifier, one sentence each. */
  readonly onWarning?: (warning: string) => void
  /** Videos that are done. */
  readonly onProgress?: (done: number, total: number) => void
}

export type Prediction = { readonly video: string } & (
  | { readonly ok: true; readonly classes: readonly { readonly label: string; readonly probability: number }[] }
  | { readonly ok: false; readonly code: string; readonly reason: string }
)

/**
 * The most probable classes of videos, one view each unless told otherwise. A video that cannot be read is returned as a
 * failure.
 *
 * @throws VideoMaeError `NOT_A_CLASSIFIER`, and what opening the classifier and decoding throw
 */
export async function predict(videos: readonly string[], options: PredictOptions): Promise<Prediction[]> {
  const { from, top = 5, clips = 1, crops = 1, onProgress, onWarning, ...rest } = options
  if (!Number.isInteger(top) || top < 1) throw invalidArgument('top', 'a positive integer', top)
  const classifier = await openAnyClassifier(from, rest)
  try {
    for (const warning of classifier.warnings ?? []) onWarning?.(warning)
    const entries = videos.map((video) => ({ path: video, id: video }))
    const predictions: Prediction[] = []
    for await (const result of predictVideos(classifier, entries, { ...rest, clips, crops })) {
      const video = result.entry.path
      onProgress?.(result.index + 1, videos.length)
      if (!result.ok) {
        predictions.push({ video, ok: false, code: result.code, reason: result.reason })
        continue
      }
      const classes = classifier.labels
        .map((label, c) => ({ label, probability: result.probabilities[c] }))
        .sort((a, b) => b.probability - a.probability)
        .slice(0, top)
      predictions.push({ video, ok: true, classes })
    }
    return predictions
  } finally {
    await classifier.close()
  }
}
