import { RandomStream } from '../core/random.ts'
import { exportClassifier, exportClassifierDirectory } from '../export/classifier.ts'
import type { ExportPrecision } from '../export/classifier-precision.ts'
import type { ExportInput } from '../export/encoder.ts'
import { openClassifier } from '../finetune/classifier.ts'
import { openDataset } from '../finetune/dataset.ts'
import { type Evaluation, evaluateVideos } from '../finetune/evaluate.ts'
import { openAnyClassifier } from '../finetune/predict.ts'
import { videosOfSplit } from '../finetune/split.ts'
import { temporalViews } from '../finetune/views.ts'
import { renderMotionClip } from '../synthetic/motion.ts'
import { loadClips } from '../video/index.ts'
import { type CommonOptions, interruptSignal } from './run.ts'

export interface ExportClassifierCommandOptions extends CommonOptions {
  /** ONNX file, or with `format: huggingface` a folder. */
  readonly out: string
  readonly format?: 'onnx' | 'huggingface'
  readonly input?: ExportInput
  readonly precision?: ExportPrecision
  /** Labelled videos (their test part, where the list has a split) on which the file and the checkpoint are compared. */
  readonly data?: string
  readonly engine?: string
}

/** `videomae export` of a classifier. */
export async function exportClassifierCommand(
  checkpoint: string,
  options: ExportClassifierCommandOptions,
): Promise<void> {
  const { json = false, out, format = 'onnx', input, precision, data, engine } = options
  if (format === 'huggingface') {
    await exportClassifierDirectory(checkpoint, out)
    process.stdout.write(json ? `${JSON.stringify({ files: [out] })}\n` : `wrote      ${out}\n`)
    return
  }
  const interrupt = interruptSignal()
  try {
    const clips = await checkClips(checkpoint, data)
    const result = await exportClassifier(checkpoint, { out, input, precision, clips, compareWith: engine ?? null })
    const accuracy =
      data === undefined ? null : await measure(data, [checkpoint, out], engine ?? null, interrupt.signal)
    if (json) {
      process.stdout.write(`${JSON.stringify({ ...result, accuracy })}\n`)
      return
    }
    const { files, bytes, check } = result
    const measured =
      accuracy === null
        ? ''
        : `accuracy   ${accuracy.map(({ name, top1 }) => `${name}: ${(100 * top1).toFixed(2)} %`).join('   ')}\n`
    process.stdout.write(
      `wrote      ${files.join(', ')} (${(bytes / 1e6).toFixed(1)} MB, ${result.precision})\n` +
        `checked    ${check.clips} clip(s) against the ${check.engine} engine: largest difference of a logit ` +
        `${check.logits.toExponential(2)}, of a probability ${check.probabilities.toExponential(2)}; ` +
        `${check.sameClass} of ${check.clips} keep their class\n${measured}`,
    )
  } finally {
    interrupt.dispose()
  }
}

/** Up to 16 clips of the data, or four generated ones. */
async function checkClips(checkpoint: string, data: string | undefined): Promise<Uint8Array> {
  const { configuration, sampling, labels } = await openClassifier(checkpoint)
  const {
    frames,
    imageSize: [height, width],
  } = configuration
  if (data === undefined) {
    const kinds = ['left', 'up', 'clockwise', 'orbit-clockwise'] as const
    return joined(
      kinds.map((kind, i) => renderMotionClip(kind, new RandomStream('export', i), { width, height, frames })),
    )
  }
  const { videos } = await openDataset(data, { classes: labels, digests: false })
  const entries = videosOfSplit(videos, 'test').slice(0, 16)
  const clips: Uint8Array[] = []
  for await (const loaded of loadClips({ entries, samplings: temporalViews(sampling, frames, 1), size: height })) {
    if (loaded.ok) clips.push(loaded.clips)
  }
  return joined(clips)
}

function joined(clips: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(clips))
}

/** Accuracy of the checkpoint and of the file on the same videos, one view each. */
async function measure(
  data: string,
  places: readonly string[],
  engine: string | null,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly top1: number; readonly scores: Evaluation['scores'] }[]> {
  const results = []
  for (const place of places) {
    const classifier = await openAnyClassifier(place, { engine })
    try {
      const { videos } = await openDataset(data, { classes: classifier.labels, digests: false, signal })
      const tested = videosOfSplit(videos, 'test')
      const { scores } = await evaluateVideos(classifier, tested, { clips: 1, crops: 1, signal })
      results.push({ name: place, top1: scores.top1.value, scores })
    } finally {
      await classifier.close()
    }
  }
  return results
}
