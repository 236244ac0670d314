import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { replaceDirectory, writeFileAtomic } from '../format/atomic.ts'
import type { RunOptions } from '../train/training-run.ts'
import { bestFolder, openClassifier, saveClassifier } from './classifier.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import { type Evaluation, evaluateVideos, writeEvaluation } from './evaluate.ts'
import { finetuneFull } from './finetune-full.ts'
import { finetuneHead, type HeadOptions } from './finetune-head.ts'
import { openClipClassifier } from './predict-videos.ts'
import { prepareFinetuning } from './prepare.ts'
import { writeSplitFile } from './split-file.ts'

export interface FinetuneResult {
  /** Folder of the run, and of its chosen classifier. */
  readonly run: string
  readonly classifier: string
  readonly classes: readonly string[]
  readonly videos: { readonly train: number; readonly validation: number; readonly test: number }
  /** Of the chosen checkpoint; null without validation videos. */
  readonly validation: { readonly accuracy: number; readonly loss: number } | null
  /** Of the chosen checkpoint; null without test videos. */
  readonly test: Evaluation | null
  /** How it was chosen: step, epoch or strength. */
  readonly chosen: string
  readonly seconds: number
  readonly warnings: readonly string[]
  readonly failures: readonly { readonly id: string; readonly reason: string }[]
}

export interface FinetuneOptions extends RunOptions {
  /** Modes that train a head: videos whose features are there, of all that are needed. */
  readonly onFeatures?: HeadOptions['onFeatures']
}

/**
 * Trains a classifier from labelled videos, keeps the checkpoint that is best on the validation videos, and tests that one
 * on the test videos, which nothing else sees.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `LABEL_MISSING`, `CLASSES_TOO_FEW`, `SPLIT_INVALID`, `RUN_EXISTS`,
 *   `RESUME_MISMATCH`, `NON_FINITE`, `INTERRUPTED`, and what opening encoders, videos and engines throws
 */
export async function finetune(
  configuration: FinetuneConfiguration,
  options: FinetuneOptions,
): Promise<FinetuneResult> {
  const began = performance.now()
  const prepared = await prepareFinetuning(configuration, options.signal)
  const { dataset, split, warnings } = prepared
  for (const warning of warnings) options.onNote?.(`warning: ${warning}`)
  const classifier = path.join(options.out, bestFolder)
  const common = {
    run: path.resolve(options.out),
    classifier,
    classes: dataset.classes,
    videos: { train: split.train.length, validation: split.validation.length, test: split.test.length },
    warnings,
  }
  await mkdir(options.out, { recursive: true })
  const writeSplit = (): Promise<void> => writeSplitFile(path.join(options.out, 'split.csv'), split)
  const seconds = (): number => (performance.now() - began) / 1000
  if (configuration.mode !== 'full') {
    await writeSplit()
    if (options.resume === true) {
      options.onNote?.('Features that were computed before are used again; the head trains from its beginning.')
    }
    const result = await finetuneHead(configuration, prepared, options)
    await replaceDirectory(classifier, (folder) => saveClassifier(folder, result.classifier))
    await writeFileAtomic(path.join(options.out, 'config.json'), `${JSON.stringify(configuration, null, 2)}\n`)
    const { test, validation, chosen, failures } = result
    if (test !== null) await writeEvaluation(path.join(options.out, 'evaluation'), test)
    return { ...common, test, validation, chosen, failures, seconds: seconds() }
  }
  const trained = await finetuneFull(configuration, prepared, { ...options, onAccepted: writeSplit })
  const test = split.test.length === 0 ? null : await testBest(configuration, split.test, classifier, options)
  if (test !== null) await writeEvaluation(path.join(options.out, 'evaluation'), test)
  const { validation } = trained
  return {
    ...common,
    validation,
    test,
    chosen: `step ${validation?.step ?? trained.steps} of ${trained.steps}`,
    failures: trained.failures.map(({ id, reason }) => ({ id, reason })),
    seconds: seconds(),
  }
}

async function testBest(
  { evaluation, engine, data, seed }: FinetuneConfiguration,
  videos: Parameters<typeof evaluateVideos>[1],
  where: string,
  { signal }: RunOptions,
): Promise<Evaluation> {
  const classifier = await openClipClassifier(await openClassifier(where), {
    engine: engine.name,
    batch: evaluation.batch,
    threads: engine.threads ?? undefined,
    device: engine.device ?? undefined,
    precision: engine.precision,
  })
  try {
    return await evaluateVideos(classifier, videos, {
      clips: evaluation.clips,
      crops: evaluation.crops,
      workers: data.workers ?? undefined,
      decoder: data.decoder,
      timeoutSeconds: data.timeoutSeconds,
      seed,
      signal,
    })
  } finally {
    await classifier.close()
  }
}
