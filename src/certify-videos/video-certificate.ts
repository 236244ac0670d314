/** What a certificate of videos says beside the mathematics: the rows, the classes and the options that it is about. */
import type { CertificateFile } from '../certify/certificate-file.ts'
import type { BucketManifest } from '../certify/data/buckets.ts'
import { engineRecord } from '../train/engine-choice.ts'
import { otherClasses } from './class-list.ts'
import { isHeadKind } from './learners/kinds.ts'
import { videoIdOf } from './learners/video-set.ts'
import type { CertifyVideosOptions, CertifyVideosPlan } from './plan.ts'
import type { LeftOutRow } from './reading.ts'
import type { SeenInputs } from './seen-inputs.ts'

/** `certificate.json` of videos. */
export interface VideoCertificate extends CertificateFile {
  readonly data: {
    /** What was read. */
    readonly source: string
    readonly test: string | null
    /** How rows came to their sides, and all rows that were read: each is protected, predicted or left out. */
    readonly division: string
    readonly rows: number
    readonly protected: number
    readonly predicted: number
    readonly leftOut: readonly LeftOutRow[]
    /** Of the videos to predict, those that learners or encoders have seen. */
    readonly seen: SeenInputs
    /** `any`: the claim holds whatever classes there are; `declared`: for these classes, videos with other labels left out. */
    readonly classes: 'any' | 'declared'
    /** `labels`, `declared`, or the file that was read. */
    readonly classesFrom: string
  }
  /** Options that the predictions depend on, with the values that were used. */
  readonly options: Readonly<Record<string, unknown>>
}

/**
 * @param leftOut what preparing the learners left out, beside what the plan did
 * @param manifests of all runs
 */
export async function videoCertificate(
  certificate: CertificateFile,
  plan: CertifyVideosPlan,
  leftOut: readonly LeftOutRow[],
  manifests: readonly BucketManifest[],
  options: CertifyVideosOptions,
): Promise<VideoCertificate> {
  const { division, classes } = plan
  const undecoded = (side: LeftOutRow['side']) =>
    new Set(leftOut.filter((row) => row.side === side).map(({ id }) => id))
  const [lostTraining, lostTest] = [undecoded('training'), undecoded('test')]
  const inBuckets = new Set(manifests.flatMap(({ assignment }) => assignment.map(([id]) => id)))
  const train = division.train.filter(({ id }) => !lostTraining.has(id))
  const used = train.filter((video) => inBuckets.has(videoIdOf(video)))
  // With rule `temporal`: from before the oldest period that any learner is trained on.
  const older = train
    .filter((video) => !inBuckets.has(videoIdOf(video)))
    .map(
      ({ id }): LeftOutRow => ({
        id,
        side: 'training',
        code: 'outside the periods',
        reason: 'it is older than all periods',
      }),
    )
  const open = classes[0] === otherClasses[0]
  const { threat } = certificate
  return {
    ...certificate,
    threat: { ...threat, conditions: [...threat.conditions, ...conditionsOf(options, open)] },
    data: {
      source: options.data,
      test: options.test ?? null,
      division: division.how,
      rows: division.rows,
      protected: used.length,
      predicted: division.test.length - lostTest.size,
      leftOut: [...division.leftOut, ...leftOut, ...older],
      seen: plan.seen,
      classes: open ? 'any' : 'declared',
      classesFrom: division.classesFrom,
    },
    options: await optionsOf(plan, options),
  }
}

/** What the reading of the data rests on. */
function conditionsOf({ data, test, split }: CertifyVideosOptions, open: boolean): string[] {
  const sides = split === undefined ? '' : ` with --split ${split}`
  return [
    `${test === undefined ? data : `${data} and ${test}`} are read as they were${sides}: the attacker changes rows and files, not the header, the form or the encoding of a list`,
    ...(open ? [] : ['the classes were declared without looking at the protected set']),
  ]
}

async function optionsOf(
  { sources, learner }: CertifyVideosPlan,
  options: CertifyVideosOptions,
): Promise<Record<string, unknown>> {
  const {
    testShare = 0.2,
    seed = 0,
    split = null,
    clips = 1,
    stride = null,
    trusted = null,
    decoder = 'node-av',
  } = options
  const needsEngine = !isHeadKind(learner.kind) || sources.some(({ kind }) => kind !== 'pixels')
  const engine = needsEngine ? await engineRecord(options.engine ?? null) : null
  const from = sources.map(({ name }) => name)
  return { from, testShare, seed, split, clips, stride, trusted, decoder, engine }
}
