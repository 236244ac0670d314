/** What a certification of videos rests on, looked up before a single video is decoded. */
import { stat } from 'node:fs/promises'
import { requireCount } from '../../core/counts.ts'
import { invalidArgument, unusedArgument, VideoMaeError } from '../../core/errors.ts'
import { copyWarnings } from '../../dataset/copies.ts'
import { contentsOfVideo, type LabeledVideo } from '../../dataset/dataset.ts'
import { splitWarnings } from '../../dataset/split.ts'
import { unusedFolds } from '../../dataset/unused-folds.ts'
import { checkAugmentation } from '../../inference/augmentation.ts'
import { listsBeside } from '../../video/lists-beside.ts'
import { readingLines, type SourceReading } from '../../video/reading.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import type { Periods } from '../ensemble/periods.ts'
import { needsGroups, needsSpread, type Rule } from '../rules/list.ts'
import { checkThreat, type EncoderProvenance, type Threat } from '../threat/threat.ts'
import { type ClassList, classNamesOf, declaredClasses } from './class-list.ts'
import type { VideoFeatureOptions } from './feature-sets.ts'
import { type FeatureSource, openFeatureSource } from './feature-source.ts'
import { groupProvenance, groupsOf, requireOwnProvenance } from './groups.ts'
import { checkLearner, isHeadKind, type LearnerOptions, notGrouped, startsFresh } from './learners/learner-options.ts'
import { videoSetOf } from './learners/video-set.ts'
import { encoderProvenance, type ProvenanceOptions } from './provenance.ts'
import {
  type LeftOutRow,
  labelCodes,
  leftOutSummary,
  type ReadData,
  type ReadingOptions,
  readData,
  requireBothSides,
} from './reading.ts'
import { rowsPerVideo } from './rows-per-video.ts'
import { type SeenInputs, seenInputs, seenRemarks } from './seen-inputs.ts'
import { type TrustedVideos, trustedVideos } from './trusted.ts'
import { type PeriodOptions, timeBounds } from './video-times.ts'

/** The videos, the encoder, the learners and the claim of a certificate. See docs/certify.md. */
export interface CertifyVideosOptions
  extends ReadingOptions,
    VideoFeatureOptions,
    Omit<ProvenanceOptions, 'scaledOn' | 'signal'> {
  /** A folder per class or a list with labels, optional groups and an optional split column. */
  readonly data: string
  /** See `openFeatureSource`; several for encoder groups, in the order of the groups. */
  readonly from: string | readonly string[]
  /** The base classifier. Default ridge heads. */
  readonly learner?: LearnerOptions
  /** With buckets by time: where periods end and how long they are. */
  readonly periods?: PeriodOptions
  /** Videos to predict, instead of a part of `data`. */
  readonly test?: string
  /** The classes, or one file with their names. Default: any names; see `otherClasses`. */
  readonly classes?: readonly string[]
  /** Videos out of the attacker's reach (labels not needed) that fix the scale of features. */
  readonly trusted?: string
  /** Frames from one frame of a clip to the next; default: as the encoder was trained. */
  readonly stride?: number
  /** What heads read of the tokens; see `openFeatureSource`. Default `mean`. */
  readonly readout?: string
  /** Told what a user should know. */
  readonly onNote?: (note: string) => void
}

/** Which videos are protected and which are predicted. */
export interface CertifySplit {
  /** Videos of the protected set. */
  readonly train: readonly LabeledVideo[]
  /** Videos to predict. */
  readonly test: readonly LabeledVideo[]
  /** What divided them, in words. */
  readonly how: string
  /** Rows that are neither. */
  readonly leftOut: readonly LeftOutRow[]
  /** All rows that were read. */
  readonly rows: number
  /** How each source was read. */
  readonly sources: readonly SourceReading[]
}

/** What is known before a single video is decoded. */
export interface CertifyVideosPlan {
  /** One, or one for each encoder group. */
  readonly sources: readonly FeatureSource[]
  /** [protected videos] encoder group of each; null with one encoder. */
  readonly groupOf: Int32Array | null
  /** Bounds of the periods; undefined without buckets by time. */
  readonly periods: Periods | undefined
  /** The base classifier. */
  readonly learner: LearnerOptions
  /** What class indices count: see `classNamesOf`. */
  readonly classes: readonly string[]
  /** Where the classes are from. */
  readonly classList: ClassList
  /** Which videos are protected and which are predicted. */
  readonly split: CertifySplit
  /** Videos to predict that learners or encoders have seen. */
  readonly seen: SeenInputs
  /** Where the encoder is from, and why it is trusted. */
  readonly encoder: EncoderProvenance
  /** Null where nothing fixes the scale of features. */
  readonly trusted: TrustedVideos | null
}

/**
 * Lists the videos, digests their contents, opens the encoders and looks up what they were trained on.
 *
 * @throws VideoMaeError `GROUP_ENCODER_MISMATCH`, `READOUT_UNKNOWN`, `READOUT_UNFIT`, `LEARNER_NOT_GROUPED`, `TIME_MISSING`, `TIME_INVALID`, `INVALID_ARGUMENT`, and what `openDataset`, `openFeatureSource`,
 *   `manifestOfData` and `trainingUse` throw
 */
export async function planCertification(options: CertifyVideosOptions): Promise<CertifyVideosPlan> {
  const { stride, readout, signal, seed, by = 'content', learner = { kind: 'ridge' }, onNote = () => {} } = options
  checkLearner(learner)
  for (const name of ['clips', 'testClips'] as const) {
    const count = options[name]
    if (count !== undefined) requireCount(name, count)
  }
  requireAugmentation(options, learner)
  const names = typeof options.from === 'string' ? [options.from] : options.from
  if (names.length === 0) throw invalidArgument('from', 'at least one encoder', '')
  if (names.length > 1) requireOwnProvenance(options)
  if (!isHeadKind(learner.kind)) {
    const whose = `${learner.kind} base classifiers`
    if (names.length > 1) throw notGrouped(learner.kind)
    if (names[0] === 'pixels') throw invalidArgument('from', `a checkpoint for ${whose}`, names[0])
    if (options.trusted !== undefined)
      throw unusedArgument('trusted', `with ${whose}, which need no scale`, options.trusted)
    if (readout !== undefined) throw unusedArgument('readout', `with ${whose}, which read tokens or frames`, readout)
    for (const name of ['clips', 'testClips'] as const)
      if ((options[name] ?? 1) !== 1) throw invalidArgument(name, `1 with ${whose}`, options[name])
  }
  const sources: FeatureSource[] = []
  for (const name of names)
    sources.push(await openFeatureSource(name, { stride, readout, seed, scratch: startsFresh(learner.kind) }))
  rowsPerVideo(sources, options) // refuses what its clips do not have
  refuseUnused(sources, options)
  for (const source of sources)
    if (source.kind === 'encoder') for (const warning of source.source.warnings) onNote(`${source.name}: ${warning}`)
  const { classes, classList, split, trusted, periods } = await planVideos(options)
  const scaledOn = (trusted?.videos ?? []).flatMap(contentsOfVideo)
  const seen = await seenInputs(sources, split)
  for (const remark of seenRemarks(seen)) onNote(`warning: ${remark}`)
  const shared = { sources, learner, classes, classList, split, seen, trusted, periods }
  if (sources.length > 1) {
    const groupOf = groupsOf(split.train, classes, by, sources.length)
    const { labelsUsed } = options
    const encoder = await groupProvenance(sources, split.train, groupOf, { scaledOn, labelsUsed, signal })
    return { ...shared, groupOf, encoder }
  }
  const protectedDigests = split.train.flatMap(contentsOfVideo)
  const { provenance, notes } = await encoderProvenance(sources[0], protectedDigests, { ...options, scaledOn })
  for (const note of notes) onNote(note)
  return { ...shared, groupOf: null, encoder: provenance }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for unknown kinds, learners on tokens or frames, and next to several clips */
function requireAugmentation({ augment, clips = 1 }: CertifyVideosOptions, { kind }: LearnerOptions): void {
  if (augment === undefined) return
  checkAugmentation(augment)
  if (!isHeadKind(kind))
    throw unusedArgument('augment', `with ${kind} base classifiers, which read tokens or frames`, augment.join(','))
  if (clips !== 1) throw unusedArgument('clips', 'together with augment; its kind "time" adds clips', clips)
}

/**
 * Options about training and engines, where nothing was trained or nothing runs on an engine.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
function refuseUnused(sources: readonly FeatureSource[], { engine = null, trainedOn }: CertifyVideosOptions): void {
  const [{ kind, name }] = sources
  if (engine !== null && sources.every((source) => source.kind === 'pixels'))
    throw unusedArgument('engine', 'with pixels, because their features and heads use no engine', engine)
  if (trainedOn !== undefined && kind !== 'encoder')
    throw unusedArgument('trainedOn', `with ${name}, which was not trained`, trainedOn)
}

/**
 * The videos of a certification: which are protected, which are predicted, which fix the scale.
 *
 * @throws VideoMaeError `IDS_HOLD_LABELS`, and what `declaredClasses`, `timeBounds`, `readData`, `trustedVideos` and `requireBothSides` throw
 */
export async function planVideos(options: Omit<CertifyVideosOptions, 'from' | 'cache'> & { readonly cache?: string }) {
  const { data, test, signal, by, testShare = 0.2, onNote = () => {} } = options
  if (!(testShare > 0 && testShare < 1)) throw invalidArgument('testShare', 'a share between 0 and 1', testShare)
  if (by === 'id' && (await stat(data).catch(() => null))?.isDirectory() === true) throw idsHoldLabels(data)
  if (test !== undefined && options.testShare !== undefined)
    throw unusedArgument('testShare', 'with test, because all other videos are protected', options.testShare)
  if (options.split === 'folders' && options.testShare !== undefined)
    throw unusedArgument('testShare', 'with split "folders", because the folders decide', options.testShare)
  const list = await declaredClasses(options.classes)
  const times = options.periods === undefined ? null : timeBounds(options.periods)
  const first = await readData(data, test === undefined ? null : 'training', list, times, options)
  const read =
    test === undefined
      ? first
      : joined(first, await readData(test, 'test', list, times, { ...options, split: undefined }))
  // What is left out is said below.
  for (const reading of read.sources)
    for (const line of readingLines({ ...reading, unusable: [], repeated: [] })) onNote(line)
  // Who names the rule has decided.
  if (options.split === undefined) for (const beside of listsBeside(data)) onNote(`warning: ${beside}`)
  const folds = unusedFolds(read.sources)
  if (folds !== null) onNote(`note: ${folds}`)
  for (const { id, code, reason } of read.leftOut.slice(0, 10)) onNote(`left out: ${id}: ${reason} [${code}]`)
  if (read.leftOut.length > 0) onNote(`Of ${read.rows} rows ${leftOutSummary(read.leftOut)}.`)
  requireBothSides(read)
  if (options.testShare !== undefined && read.byHash === 0)
    onNote(`note: the test share of ${testShare} has no effect: every row has a split`)
  const labels = [...read.training, ...read.test].map(({ label }) => label)
  const classes = classNamesOf(list, labels, data)
  const index = new Map(classes.map((name, i) => [name, i]))
  const numbered = (videos: readonly LabeledVideo[]) =>
    videos.map((video) => ({ ...video, class: index.get(video.label) ?? -1 }))
  const { leftOut, rows, how, sources } = read
  const sides = { train: numbered(read.training), test: numbered(read.test) }
  const split: CertifySplit = { ...sides, how, leftOut, rows, sources }
  for (const warning of dependenceWarnings(split, by)) onNote(`warning: ${warning}`)
  const trusted = options.trusted === undefined ? null : await trustedVideos(options.trusted, signal, onNote)
  return { classes, classList: list, split, trusted, periods: times?.periods }
}

/** Videos that are not independent of each other; `seenRemarks` has those to predict whose content is protected. */
function dependenceWarnings({ train, test }: CertifySplit, by: BucketKey = 'content'): string[] {
  const copies = by === 'content' ? 'copies of one content are one video' : 'each copy trains its base classifiers'
  return [
    ...copyWarnings(train, copies),
    ...copyWarnings(test, 'each copy is predicted and counted'),
    ...splitWarnings({ train, validation: [], test }, ['group']),
  ]
}

function joined(training: ReadData, test: ReadData): ReadData {
  return {
    training: training.training,
    test: test.test,
    leftOut: [...training.leftOut, ...test.leftOut],
    rows: training.rows + test.rows,
    sources: [...training.sources, ...test.sources],
    how: test.how,
    byHash: 0,
  }
}

/**
 * Refuses a claim that the encoder's origin contradicts, and learners that a rule cannot have, before features are computed.
 *
 * @param whiteBox whether the white-box certificate of ridge heads is wanted
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED`, as `certify` does later; `LEARNER_NOT_GROUPED`, `GROUP_MISSING`, `ROWS_WITHOUT_CLASS`
 */
export function checkCertificationPlan(
  plan: CertifyVideosPlan,
  by: BucketKey,
  rules: readonly Rule[],
  threat: Threat,
  whiteBox = false,
): void {
  const { train } = plan.split
  if (rules.some(needsGroups) && !isHeadKind(plan.learner.kind)) throw notGrouped(plan.learner.kind)
  if (plan.groupOf !== null) requireNoSpread(rules)
  checkThreat(videoSetOf(train, plan.classes), by, rules, { threat, encoder: plan.encoder })
  if (whiteBox || labelsMakeGroups(plan, threat)) requireLabeledRows(plan.split)
  if (by !== 'source') return
  const without = train.find((video) => video.group === undefined)
  if (without === undefined) return
  throw new VideoMaeError(`Expected a group for every video, but ${without.id} has none.`, {
    code: 'GROUP_MISSING',
    exit: 'data',
    hint: 'Use a CSV with the columns path,label,group, where a group is an uploader, a camera or a batch.',
  })
}

/**
 * A learner of Finite Aggregation reads several partitions, and an encoder of a group only one group of them.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireNoSpread(rules: readonly Rule[]): void {
  const spread = rules.find(needsSpread)
  if (spread !== undefined)
    throw invalidArgument('rules', 'rules on disjoint partitions with encoders of groups', spread)
}

/**
 * Whether a label that takes its row out also takes the video out of the training data of an encoder: then it changes more than one
 * learner.
 */
export function labelsMakeGroups({ groupOf }: Pick<CertifyVideosPlan, 'groupOf'>, threat: Threat): boolean {
  return threat === 'label_flip' && groupOf !== null
}

/**
 * Some certificates hold only for samples that stay and change their class. A row that its label takes out of the training set, or
 * brings into it, changes what every other sample of its ridge head contributes, and the training data of its group's encoder. So
 * there must be no such row: if an attacker makes one, there is no answer. In a folder the label is a part of the path, and what a
 * path can do to a video is not all seen in the rows (a hidden folder has none), so there it must be a list.
 *
 * @throws VideoMaeError `ROWS_WITHOUT_CLASS`
 */
export function requireLabeledRows({ leftOut, sources }: Pick<CertifySplit, 'leftOut' | 'sources'>): void {
  const [data] = sources
  if (data?.kind === 'folder')
    throw new VideoMaeError(
      `Expected a list with labels, but ${data.source} is a folder, where the label is part of the path: a changed label can remove the video from the data.`,
      {
        code: 'ROWS_WITHOUT_CLASS',
        exit: 'data',
        hint: 'Name a CSV with the columns path,label instead of the folder. --white-box, and label_flip with encoder groups, are about labels that change to another class.',
      },
    )
  const rows = leftOut.filter(({ side, code }) => side !== 'test' && labelCodes.includes(code))
  if (rows.length === 0) return
  const [first] = rows
  throw new VideoMaeError(
    `Expected a class for every row of the training data, but ${rows.length} ${rows.length === 1 ? 'is' : 'are'} left out because of the label. The first is ${first.id}: ${first.reason}.`,
    {
      code: 'ROWS_WITHOUT_CLASS',
      exit: 'data',
      hint: 'Correct or remove these rows. With --white-box, and for label_flip with encoder groups, the bound is about labels that change to another class, not about added or removed samples.',
    },
  )
}

function idsHoldLabels(data: string): VideoMaeError {
  return new VideoMaeError(
    `Expected ids that do not change with the label, but in the folder ${data} the path of a video contains its class: a relabeled video has another id and another partition.`,
    {
      code: 'IDS_HOLD_LABELS',
      exit: 'usage',
      hint: 'Name a CSV with the columns path,label instead of the folder, or use --by content.',
    },
  )
}
