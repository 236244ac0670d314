import type { LabeledVideo } from '../dataset/dataset.ts'
import { Ranks } from '../distributed/ranks.ts'
import { readRows } from '../inference/feature-rows.ts'
import type { ComputedFeatures } from '../inference/features.ts'
import { computeFeaturesOnRanks } from '../inference/rank-features.ts'
import { tokenGrid } from '../model/configuration.ts'
import { readoutWidth } from '../model/readout.ts'
import type { RunOptions } from '../train/training-run.ts'
import { engineOptions } from '../train/training-session.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { bestReadout, type ComparedReadout, compareReadouts, describeChoice } from './choose-readout.ts'
import { type FinetuneConfiguration, loadingOptions } from './configuration.ts'
import { headPlan, readoutsOf, videosToCompare } from './plan.ts'
import type { PreparedFinetuning } from './prepare.ts'

/** What a head is trained, chosen and tested on. */
export interface HeadFeatures {
  readonly readout: string
  /** What the readout was chosen by; null where it was given, or where nothing can be compared. */
  readonly compared: readonly ComparedReadout[] | null
  readonly train: ComputedFeatures<LabeledVideo>
  readonly validation: ComputedFeatures<LabeledVideo>
  /** Null without test videos. */
  readonly test: ComputedFeatures<LabeledVideo> | null
}

export interface HeadFeaturesOptions extends Pick<RunOptions, 'signal' | 'onNote'> {
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  /** Default: this process alone. */
  readonly ranks?: Ranks
  /** Videos whose features are there, of all that are needed. */
  readonly onFeatures?: (done: number, total: number) => void
}

/**
 * Computes the features of all videos or finds them in the folder `cache`. With the readout `auto`, features of all readouts are
 * computed for training videos first (`videosToCompare`), and the best one is chosen on them. Collective.
 *
 * @returns null on other ranks than the first
 * @throws VideoMaeError as `computeFeatures` and `compareReadouts`
 */
export async function headFeatures(
  configuration: FinetuneConfiguration,
  { dataset, split, source }: Pick<PreparedFinetuning, 'dataset' | 'split' | 'source'>,
  cache: string,
  { signal, processes, ranks = Ranks.alone(), onNote, onFeatures }: HeadFeaturesOptions,
): Promise<HeadFeatures | null> {
  const { probe, evaluation, data, seed } = configuration
  const model = source.configuration
  const { width } = model.encoder
  const readouts = readoutsOf(configuration, model)
  const judges = readouts.length === 1 ? [] : videosToCompare(configuration, split.train)
  const total = judges.length + split.train.length + split.validation.length + split.test.length
  let before = 0
  const featuresOf = async (readout: string, videos: readonly LabeledVideo[], clips: number, crops: number) => {
    const { kind } = headPlan(configuration, width, readout)
    const computed = await computeFeaturesOnRanks(source, videos, {
      ...engineOptions(configuration.engine),
      ranks,
      engine: configuration.engine.name,
      ...{ kind, readout, cache, clips, crops, processes, signal },
      checkMemory: false, // the plan of the run has, and --force continues
      ...loadingOptions(data),
      onProgress: (done) => onFeatures?.(before + done, total),
    })
    before += videos.length
    return computed
  }
  let [readout, compared]: [string, HeadFeatures['compared']] = [readouts[0], null]
  if (readouts.length > 1) {
    const judged = await featuresOf(readouts.join('+'), judges, probe.clips, 1)
    const compare = async () => {
      if (judged === null) return null
      const widths = readouts.map((name) => readoutWidth(name, tokenGrid(model), width))
      return compareReadouts(readouts, await readRows(judged), widths, { classes: dataset.classes.length, seed })
    }
    compared = await ranks.fromFirst(await ranks.agree(compare))
    if (compared !== null) readout = bestReadout(compared)
    onNote?.(
      compared === null
        ? `Readout ${readout}: all training videos are one group, or each class is one group, so there is no data to choose it on.`
        : `Readout ${describeChoice(readout, compared)}.`,
    )
  }
  const train = await featuresOf(readout, split.train, probe.clips, 1)
  const validation = await featuresOf(readout, split.validation, 1, 1)
  const test =
    split.test.length === 0 ? null : await featuresOf(readout, split.test, evaluation.clips, evaluation.crops)
  if (train === null || validation === null) return null
  return { readout, compared, train, validation, test }
}
