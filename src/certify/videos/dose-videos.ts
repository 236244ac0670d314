/** How many poisoned videos ensembles tolerate against how many samples one learner needs, for several learners, in one call. */
import path from 'node:path'
import { requireDistinct, unusedArgument } from '../../core/errors.ts'
import { doseLearner } from '../dose/dose-learner.ts'
import {
  checkStudy,
  type DoseLearner,
  type LethalDoseOptions,
  type LethalDoseReport,
  lethalDose,
} from '../dose/lethal-dose.ts'
import { requireDoseFolder, writeLethalDose } from '../dose/lethal-dose-report.ts'
import { partitionRule } from '../rules/names.ts'
import type { Threat } from '../threat/threat.ts'
import { isTrained } from './feature-source.ts'
import { isHogReadout } from './hog.ts'
import { isHeadKind, type LearnerOptions, ownOptions, startsFresh } from './learners/learner-options.ts'
import { ensembleSize } from './memory.ts'
import { type CertifyVideosOptions, type CertifyVideosPlan, checkCertificationPlan, planCertification } from './plan.ts'
import { prepareLearners } from './prepare.ts'
import { seenRemarks } from './seen-inputs.ts'
import { claimOf, planOptionsOf, type VideoStudyOptions } from './study.ts'

/** Options of `lethalDoseOfVideos`. */
export interface LethalDoseOfVideosJob
  extends Omit<VideoStudyOptions, 'from' | 'learner' | 'periods'>,
    Pick<LethalDoseOptions, 'partitions' | 'subsets' | 'accuracies' | 'targets'> {
  /** Encoders: each kind of learner on each of them is one learner of the study. */
  readonly from: readonly string[]
  /** Default: ridge heads. Options that a kind does not have are left out. */
  readonly learners?: readonly LearnerOptions[]
  /** What a poisoned sample may be. Default `general`. */
  readonly threat?: Threat
  /** Called with what is being measured. */
  readonly onMeasure?: (what: string) => void
}

/**
 * Compares learners by the samples they need and the poisoned samples that their ensembles tolerate. Writes its files into `out`.
 *
 * Source: the Lethal Dose Conjecture (Wang et al., NeurIPS 2022); docs/certificates.md.
 *
 * @throws VideoMaeError as `certifyVideos` and `checkStudy`
 */
export async function lethalDoseOfVideos(job: LethalDoseOfVideosJob): Promise<LethalDoseReport> {
  const { from, learners = [{ kind: 'ridge' }], partitions, subsets, accuracies, targets, seed, threads, signal } = job
  const { by, threat } = claimOf([partitionRule], job)
  const study = { partitions, subsets, targets, seed, ...(accuracies === undefined ? {} : { accuracies }) }
  checkStudy(study) // before a feature is computed
  requireDistinct(
    'from',
    from.map((encoder) => path.normalize(`${encoder}/`)),
  )
  // The report tells learners apart by encoder and kind.
  requireDistinct(
    'learners',
    learners.map(({ kind }) => kind),
  )
  refuseUnusedOptions(job, learners)
  await requireDoseFolder(job.out)
  // All of them first: a claim that one encoder's origin contradicts is refused before features of another are computed.
  const planned: { name: string; plan: CertifyVideosPlan; videos: CertifyVideosOptions }[] = []
  for (const encoder of from) {
    for (const learner of learners) {
      // As with options of learners, under one set of options for all of them.
      const own = {
        engine: usesEngine(encoder, learner, job) ? job.engine : null,
        trainedOn: usesTraining(encoder, learner) ? job.trainedOn : undefined,
        readout: isHeadKind(learner.kind) ? job.readout : undefined,
      }
      const videos = planOptionsOf({ ...job, ...own, from: encoder, learner: ownOptions(learner) }, by)
      const plan = await planCertification(videos)
      checkCertificationPlan(plan, by, [partitionRule], threat)
      const { kind } = learner
      planned.push({ name: startsFresh(kind) ? `${kind}, sizes of ${encoder}` : `${encoder}, ${kind}`, plan, videos })
    }
  }
  const measured: DoseLearner[] = []
  for (const { name, plan, videos } of planned)
    measured.push(
      await prepareLearners(
        plan,
        videos,
        async ({ set, test, learners: family, encoder }) =>
          doseLearner(set, test, {
            ...{ name, learners: family, by, threat: { threat, encoder }, threads, signal },
            remarks: seenRemarks(plan.seen),
          }),
        ensembleSize({ partitions, rules: [partitionRule] }),
      ),
    )
  const report = await lethalDose(measured, { ...study, signal, onProgress: job.onMeasure })
  await writeLethalDose(job.out, report)
  return report
}

/** Patches are read by an engine; colors and gradients of pixels are not. */
const usesEngine = (
  from: string,
  { kind }: LearnerOptions,
  { readout }: Pick<LethalDoseOfVideosJob, 'readout'>,
): boolean => from !== 'pixels' || (readout !== undefined && !isHogReadout(readout)) || !isHeadKind(kind)
const usesTraining = (from: string, { kind }: LearnerOptions): boolean => isTrained(from) && !startsFresh(kind)

/**
 * Options that belong to some learners of a study, where it has none of these.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
function refuseUnusedOptions(job: LethalDoseOfVideosJob, learners: readonly LearnerOptions[]): void {
  const { from, engine = null, trainedOn, readout } = job
  const kinds = learners.map(({ kind }) => kind).join(', ')
  for (const name of ['lambda', 'epochs', 'learningRate', 'recipe'] as const) {
    const given = learners.find((learner) => learner[name] !== undefined)
    if (given !== undefined && learners.every((learner) => ownOptions(learner)[name] === undefined))
      throw unusedArgument(name, `with base classifiers of kind ${kinds}`, given[name])
  }
  if (readout !== undefined && !learners.some(({ kind }) => isHeadKind(kind)))
    throw unusedArgument('readout', `with base classifiers of kind ${kinds}`, readout)
  const some = (uses: typeof usesEngine): boolean =>
    from.some((encoder) => learners.some((learner) => uses(encoder, learner, job)))
  if (engine !== null && !some(usesEngine))
    throw unusedArgument('engine', 'with pixels, because their features and heads use no engine', engine)
  if (trainedOn !== undefined && !some(usesTraining))
    throw unusedArgument('trainedOn', 'without trained encoders', trainedOn)
}
