/** A certified ensemble on new inputs: the same features, votes and radii as `certify` finds, without the training set. */

import { invalidArgument } from '../../../core/errors.ts'
import { Turns } from '../../../core/turns.ts'
import { type PredictedVideo, predictedVideo, readGiven } from '../../../inference/predict.ts'
import { IdleProcesses } from '../../../video/idle-processes.ts'
import type { SourceReading } from '../../../video/reading.ts'
import type { DecoderName, UnreadableVideo } from '../../../video/types.ts'
import type { Rule } from '../../rules/list.ts'
import type { InputCertificate } from '../../rules/rule.ts'
import { targetsNamed } from '../../rules/targeted-summary.ts'
import { otherClasses } from '../../threat/class-names.ts'
import type { ThreatStatement } from '../../threat/threat.ts'
import { rowsOfVideos } from './clip-rows.ts'
import type { EnsembleDescription } from './description.ts'
import { engineFor, openAll, openSources, warningsOf } from './encoders.ts'
import { locateEnsemble } from './locate.ts'
import { mismatch } from './mismatch.ts'
import { type VotedInput, voteOnRows } from './votes.ts'

/** Which rule of a certified ensemble is used, and how it computes. */
export interface CertifiedEnsembleOptions {
  /** One of the rules that the ensemble was certified by. Needed where there are several: their predictions differ. */
  readonly rule?: Rule
  /** The encoder, or one for each encoder group. Default: the path that `certify` was given. Its digest must be the recorded one. */
  readonly encoder?: string | readonly string[]
  /** Default: the engine that computed the features of the training set. Another one changes their last bits. */
  readonly engine?: string | null
  /** Threads of the engine. Default: one for each core. */
  readonly threads?: number
  /** Decoding processes. Default: one per core. */
  readonly workers?: number
  /** Must be that of the ensemble, which is the default: another decoder may give other colors. */
  readonly decoder?: DecoderName
  /** Clips of every video. Must be as many as `certify` took, which is the default. */
  readonly clips?: number
  /** Must be 1, the middle of the picture. */
  readonly crops?: number
  /** The classes that the caller counts on, in this order; others are refused. */
  readonly classes?: readonly string[]
}

/** When an ensemble abstains, and how it reads videos. */
export interface PredictCertifiedOptions {
  /** Abstain where the radius is below this. Default 0: never. */
  readonly requireRadius?: number
  /** Names of classes for which predictions say what it costs to make them come out. */
  readonly targetClasses?: readonly string[]
  /** Processor seconds after which a file counts as unreadable. */
  readonly timeoutSeconds?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Told how folders and lists were read, before the first prediction. */
  readonly onSources?: (sources: readonly SourceReading[]) => void
  /** Called after each video. */
  readonly onProgress?: (done: number, total: number) => void
}

/** One prediction with its certificate. What the radius counts is `threat.unit` of the ensemble. */
export interface CertifiedClass extends Omit<InputCertificate, 'prediction' | 'rivals' | 'targets'> {
  /** Tells it from a video that could not be read. */
  readonly ok: true
  /** Null where the ensemble abstains: the radius is below what was asked for. */
  readonly label: string | null
  /** The class that it would have been. */
  readonly withheld?: string
  /** Learners that vote for the class. */
  readonly votes: number
  /** The other class with most votes, ties to the smaller index; null where no other has any. */
  readonly runnerUp: { readonly label: string; readonly votes: number } | null
  /** Classes that the cheapest conceivable attack has to lift. */
  readonly rivals: readonly string[]
  /** Of the classes that were asked for: with fewer poisons the class does not come out; null where no number is enough. */
  readonly targets?: readonly { readonly label: string; readonly poisons: number | null }[]
}

/** The class of one video with its radius, or why there is none. */
export type CertifiedVideo = PredictedVideo & (CertifiedClass | UnreadableVideo)

/** An ensemble that is open for predictions. */
export interface CertifiedEnsemble {
  /** Path of the ensemble. */
  readonly file: string
  /** SHA-256 of its content, as `certificate.json` names it. */
  readonly digest: string
  /** The rule that counts the votes. */
  readonly rule: Rule
  /** K. */
  readonly partitions: number
  /** d of Finite Aggregation; 1 without. */
  readonly spread: number
  /** Number of votes for each video. */
  readonly learners: number
  /** Names of the classes, in the order of their indices. */
  readonly classNames: readonly string[]
  /** What a radius is a promise against, with its conditions. Never show a radius without it. */
  readonly threat: ThreatStatement
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /**
   * Predictions of videos, of all videos in folders, and of those that lists name, in this order. A video that cannot be read is
   * returned as a failure. Calls wait for each other.
   *
   * @throws VideoMaeError `INVALID_ARGUMENT`, and what decoding and the engine throw; the signal's reason when aborted
   */
  predict(videos: readonly string[], options?: PredictCertifiedOptions): Promise<CertifiedVideo[]>
  /** Ends the engine and the decoding processes. Call it when all calls have ended. */
  close(): Promise<void>
}

/**
 * Opens an ensemble that `certifyVideos` wrote.
 *
 * @param where an ensemble file, `certificate.json`, or the folder of a certification with one ensemble
 * @throws VideoMaeError `ENSEMBLE_NOT_FOUND`, `ENSEMBLE_INVALID`, `LEARNER_NOT_KEPT`; `ENSEMBLE_MISMATCH` where encoder, decoder, clips
 *   or classes differ from those that were certified; `INVALID_ARGUMENT` for a rule that it was not certified by; what
 *   `openFeatureSource` and `chooseEngine` throw; `OUT_OF_MEMORY`
 * @example
 * ```ts
 * import { openCertifiedEnsemble } from 'videomae/certify'
 *
 * const ensemble = await openCertifiedEnsemble('checkpoints/certify', { rule: 'roe' })
 * const predictions = await ensemble.predict(['videos/left/00001.mp4'], { requireRadius: 1 })
 * await ensemble.close()
 * predictions.length // => 1
 * ```
 */
export async function openCertifiedEnsemble(
  where: string,
  options: CertifiedEnsembleOptions = {},
): Promise<CertifiedEnsemble> {
  const stored = await locateEnsemble(where)
  const { description, file, digest, heads } = stored
  const rule = ruleOf(description, options.rule)
  checkSettings(description, options)
  const sources = await openSources(stored, options)
  const { engine, warnings } = await engineFor(description.features.engine, options.engine ?? null)
  const { partitions, spread, classNames, threat } = description
  const { decoder, testClips: clips = 1 } = description.features
  const { threads, workers } = options
  const encoders = await openAll(sources, description, { engine, threads, given: { views: clips, workers } })
  const processes = new IdleProcesses()

  async function predict(videos: readonly string[], asked: PredictCertifiedOptions): Promise<CertifiedVideo[]> {
    const { requireRadius = 0, targetClasses = [], signal, onSources, onProgress, timeoutSeconds } = asked
    if (!Number.isInteger(requireRadius) || requireRadius < 0)
      throw invalidArgument('requireRadius', 'a whole number from 0', requireRadius)
    const targets = targetsNamed(targetClasses, classNames)
    const { entries, sources: read } = readGiven(videos)
    onSources?.(read)
    const loading = { clips, decoder, workers, timeoutSeconds, processes, signal, onProgress }
    const rows = await rowsOfVideos(encoders, entries, loading)
    const readable = rows.filter((row) => 'length' in row)
    const voted = await voteOnRows(stored, rule, readable, { threads, signal, targets })
    let next = 0
    return rows.map((row, i) => {
      const video = predictedVideo(entries[i])
      if (!('length' in row)) return { ...video, ok: false, ...row }
      return { ...video, ...named(voted[next++], classNames, requireRadius) }
    })
  }

  const turns = new Turns()
  return {
    ...{ file, digest, rule, partitions, spread, learners: heads.learners, classNames, threat },
    warnings: [...sources.flatMap(warningsOf), ...warnings, ...description.warnings],
    predict: (videos, asked = {}) => turns.run(() => predict(videos, asked)),
    async close() {
      await turns.ended()
      await processes.close()
      for (const encoder of encoders) await encoder.close()
    },
  }
}

function named(
  { certificate, counts }: VotedInput,
  classNames: readonly string[],
  requireRadius: number,
): CertifiedClass {
  const { prediction, rivals, targets, ...rest } = certificate
  let next = -1
  for (let c = 0; c < counts.length; c++)
    if (c !== prediction && counts[c] > 0 && (next < 0 || counts[c] > counts[next])) next = c
  const name = classNames[prediction]
  return {
    ok: true,
    ...(rest.radius < requireRadius ? { label: null, withheld: name } : { label: name }),
    ...rest,
    votes: counts[prediction],
    runnerUp: next < 0 ? null : { label: classNames[next], votes: counts[next] },
    rivals: rivals.map((c) => classNames[c]),
    ...(targets === undefined
      ? {}
      : { targets: targets.map((target) => ({ label: classNames[target.class], poisons: target.poisons })) }),
  }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
function ruleOf({ rules }: EnsembleDescription, asked: Rule | undefined): Rule {
  if (asked === undefined && rules.length === 1) return rules[0]
  if (asked !== undefined && rules.includes(asked)) return asked
  const hint = `Name one with --rule, for example --rule ${rules[0]}. Each rule is a separate predictor: a radius belongs to the prediction of its rule.`
  throw invalidArgument('rule', `one of ${rules.join(', ')}, the certified rules of the ensemble`, asked, hint)
}

/** @throws VideoMaeError `ENSEMBLE_MISMATCH` */
function checkSettings({ features, classNames }: EnsembleDescription, options: CertifiedEnsembleOptions): void {
  const { testClips = 1 } = features
  const { decoder = features.decoder, clips = testClips, crops = 1, classes } = options
  if (decoder !== features.decoder) throw mismatch('decoder', features.decoder, decoder, 'Leave the decoder out.')
  if (clips !== testClips)
    throw mismatch(
      'clips',
      testClips === 1 ? '1, the middle of each video' : `${testClips} of each video`,
      String(clips),
      'Leave clips out.',
    )
  if (crops !== 1) throw mismatch('crops', '1, the middle of the picture', String(crops), 'Leave crops out.')
  if (classes === undefined) return
  const own = classNames.filter((name) => !otherClasses.includes(name))
  const differs = Array.from({ length: Math.max(own.length, classes.length) }, (_, i) => i).find(
    (i) => own[i] !== classes[i],
  )
  if (differs !== undefined)
    throw mismatch(
      'classes',
      `${own.length} classes, number ${differs + 1} of them ${own[differs] ?? 'missing'}`,
      classes[differs] ?? 'none there',
      'Use the classes of the ensemble.',
    )
}
