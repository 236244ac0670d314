/**
 * What a certificate is a promise against, declared by the user and checked by the program.
 *
 * The counting arguments hold for the heads. They reach through to videos only if everything the heads share, the encoder
 * first of all, stays the same under the attack. So the declaration says where the encoder comes from, and a claim that
 * its training data contradicts is refused, with the claim that does hold.
 */
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { type BucketKey, poisonUnit } from '../ensemble/buckets.ts'
import type { SampleSet } from '../ensemble/feature-set.ts'
import { needsGroups, type Rule, rulesOfLayout } from '../rules/list.ts'
import { threats } from './names.ts'

/** What an attacker may do to the training set, such as `general` or `label_flip`. */
export type Threat = (typeof threats)[number]

/**
 * - `external`: trained on data outside the attacker's reach; its manifest is checked against the protected set
 * - `public`: published weights of unknown provenance: the promise is relative to them
 * - `protected_set`: trained on the protected videos (all of them, together)
 * - `per_group`: one encoder for each bucket group, trained on that group's videos only
 * - `fixed`: no training at all, a fixed function of each clip alone
 */
export type EncoderTrust = 'external' | 'public' | 'protected_set' | 'per_group' | 'fixed'

/** Where the weights of an encoder come from, and who could have changed them. */
export interface EncoderProvenance {
  /** SHA-256 of weights and architecture (of the program text for `fixed`). */
  readonly digest: string
  /** Why poisoned samples cannot have changed the weights. */
  readonly trust: EncoderTrust
  /**
   * Whether labels of the *protected set* took part: in training, or in choosing a checkpoint, epoch or setting by them.
   * Labels of other data do not count.
   */
  readonly labelsUsed: boolean
  /** The training manifest: its own digest and the content digests of all its samples. Null where there is none. */
  readonly trainedOn: { readonly manifest: string; readonly samples: Iterable<string> } | null
}

/** The threat of a certificate, and the encoder that it rests on. */
export interface ThreatDeclaration {
  /** What the attacker may do. */
  readonly threat: Threat
  /** The encoder that features are from. */
  readonly encoder: EncoderProvenance
}

/** The part of a certificate that says what its radius means. */
export interface ThreatStatement {
  /** What the attacker may do. */
  readonly threat: Threat
  /** What the radius counts. */
  readonly unit: string
  /** One sentence that may be quoted. */
  readonly claim: string
  /** What the claim rests on and the program cannot check. */
  readonly conditions: readonly string[]
  /** What the certificate says nothing about, one sentence each. */
  readonly notCovered: readonly string[]
  /** The encoder: its digest, why it is trusted, whether it saw labels, and what it was trained on; null where that is not known. */
  readonly encoder: {
    readonly digest: string
    readonly trust: EncoderTrust
    readonly labelsUsed: boolean
    readonly trainedOn: string | null
    /** Samples of its training manifest that are in the protected set; null where there is no manifest to check. */
    readonly overlap: number | null
  }
}

/** What a claim does not cover where the base classifiers share a trained encoder. */
export const encoderNotCovered = 'poisoning of the data the encoder was trained on, or of its weights'

const notCovered: readonly string[] = [
  'the test input itself (evasion, triggers in it): the promise is about the prediction on exactly this input',
  encoderNotCovered,
  'the code, the machine and the files after training',
  'options tuned on the data that is being protected',
  'whether there is an answer: poison may make training end with an error, never with another answer',
]

function refuse(threat: Threat, why: string, holds: string): VideoMaeError {
  return new VideoMaeError(`Expected a threat that this encoder allows, but ${threat} does not hold: ${why}`, {
    code: 'THREAT_NOT_CERTIFIED',
    exit: 'checkFailed',
    hint: `Valid instead: ${holds}`,
  })
}

/**
 * Checks that a declared threat can be certified with this encoder and this protected set.
 *
 * @param set the protected set: what the attacker may change
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED` with the certificate that does hold in its hint
 */
export function checkThreat(
  set: SampleSet,
  by: BucketKey,
  rules: readonly Rule[],
  { threat, encoder }: ThreatDeclaration,
): ThreatStatement {
  const { digest, trust, labelsUsed, trainedOn } = encoder
  const facts = { digest, trust, labelsUsed, trainedOn: trainedOn?.manifest ?? null, overlap: overlapOf(set, encoder) }
  return threatStatement(threat, by, rules, facts)
}

/**
 * The statement that follows from what is known of the encoder. A verifier derives it again from a certificate.
 *
 * @throws VideoMaeError `THREAT_NOT_CERTIFIED` with the certificate that does hold in its hint
 */
export function threatStatement(
  threat: Threat,
  by: BucketKey,
  rules: readonly Rule[],
  encoder: ThreatStatement['encoder'],
): ThreatStatement {
  if (!threats.includes(threat)) throw invalidArgument('threat', `one of ${threats.join(', ')}`, threat)
  const { overlap } = encoder
  const seen = encoder.trust === 'protected_set' || encoder.trust === 'per_group' || (overlap ?? 0) > 0

  if (encoder.labelsUsed) {
    throw refuse(
      threat,
      'labels of the protected set took part in making or choosing the encoder (to train it, to choose a checkpoint, to draw a split), or it is not known whose labels did, so one flipped label may change every base classifier.',
      'nothing with this encoder. Name the encoder that it was fine-tuned from, train one without these labels (its checkpoint chosen without them too) or on other videos, or use no encoder (--from pixels --readout motion).',
    )
  }
  if (threat === 'source' && by !== 'source') {
    throw refuse(
      threat,
      `partitions are made by ${by}, so one source reaches many of them.`,
      `${seen ? 'label_flip' : 'general'} with these partitions; for whole sources make partitions by source.`,
    )
  }
  if (threat !== 'label_flip' && (threat === 'temporal') !== (by === 'time')) {
    const found = by === 'time' ? 'one poisoned sample is a whole period' : `one period reaches many of them`
    throw refuse(
      threat,
      `partitions are made by ${by}, so ${found}.`,
      by === 'time'
        ? `temporal, with rule ${rulesOfLayout('periods')}: any number of videos, all from a few neighboring periods.`
        : `general with these partitions; for stretches of time rule ${rulesOfLayout('periods')}, on periods.`,
    )
  }
  if (threat !== 'label_flip' && seen) {
    if (encoder.trust !== 'per_group') {
      const where =
        overlap === null
          ? 'the encoder is trained on the protected videos'
          : `${overlap} of the protected samples are in the encoder's training manifest`
      throw refuse(
        threat,
        `${where}, so one inserted or deleted video may change the encoder and with it every base classifier.`,
        `label_flip (--threat label_flip: the videos trusted, their labels not). For videos: an encoder pretrained elsewhere, plain pixels without an encoder (--from pixels --readout motion), or one encoder for each group of partitions with rule ${rulesOfLayout('groups')} (--rule ${rulesOfLayout('groups')} --groups G --group-recipe NAME).`,
      )
    }
    const other = rules.find((rule) => !needsGroups(rule))
    if (other !== undefined) {
      throw refuse(
        threat,
        `the encoders are trained per group, so one video may change a whole group of base classifiers, and rule "${other}" counts one.`,
        `rule ${rulesOfLayout('groups')} on these base classifiers, or label_flip with any rule.`,
      )
    }
  }
  if (threat !== 'label_flip' && encoder.trust === 'external' && encoder.trainedOn === null) {
    throw refuse(
      threat,
      'trust "external" needs the training manifest of the encoder, to check that it shares nothing with the protected set.',
      'label_flip; or the same claim relative to the weights, with trust "public".',
    )
  }
  return {
    threat,
    unit: threat === 'label_flip' ? labelUnit[by] : poisonUnit[by],
    claim: claimOf(threat, by, encoder),
    conditions: conditionsOf(threat, by, encoder),
    notCovered,
    encoder,
  }
}

/**
 * What the reading of labeled videos adds to the conditions.
 *
 * @param anyClasses whether the classes were not declared
 */
export function readingConditions(
  { source, test, split }: { readonly source: string; readonly test: string | null; readonly split: string | null },
  anyClasses: boolean,
): string[] {
  const sides = split === null ? '' : ` with --split ${split}`
  return [
    `${test === null ? source : `${source} and ${test}`} are read as they were${sides}: the attacker changes rows and files, not the header, the form or the encoding of a list`,
    ...(anyClasses ? [] : ['the classes were declared without looking at the protected set']),
  ]
}

const labelUnit: Readonly<Record<BucketKey, string>> = {
  content: 'one video (one content, under however many names) whose labels are changed, all its clips together',
  id: 'one video whose labels are changed (all its clips together)',
  source: 'one source whose labels are changed, all of them',
  time: 'one period whose labels are changed, all of them',
}

function overlapOf(set: SampleSet, encoder: EncoderProvenance): number | null {
  if (encoder.trainedOn === null) return encoder.trust === 'fixed' ? 0 : null
  const seen = new Set(encoder.trainedOn.samples)
  const found = set.digests.filter((digest, row) => seen.has(digest) || seen.has(set.originals?.[row] ?? ''))
  return new Set(found).size
}

function claimOf(threat: Threat, by: BucketKey, encoder: ThreatStatement['encoder']): string {
  const change = {
    label_flip: `the labels of any r ${by === 'time' ? 'neighboring periods' : 'units'} are changed to anything`,
    general: 'any r units are inserted or deleted in any combination',
    source: 'any r sources are added, removed or rewritten in full',
    temporal: 'anything collected in any r neighboring periods is added, removed or rewritten without limit',
  }[threat]
  const reach = by === 'time' ? 'radius (its duration), and for the newest r periods up to its earliness' : 'radius'
  const relative = encoder.trust === 'public' ? ' with the given encoder weights held fixed' : ''
  return `If ${change} before training, training again gives the same prediction on this input, for every r up to the ${reach}${relative}.`
}

const comparedByBytes =
  "no protected video is in the encoder's training data in another form: files are compared by their bytes, so copies that were cut or encoded again are not found"

function conditionsOf(threat: Threat, by: BucketKey, encoder: ThreatStatement['encoder']): string[] {
  const { overlap } = encoder
  const conditions = [
    'the options, a declared class list and the program stay the same, and none of them was chosen by looking at the protected set',
  ]
  if (by === 'id') conditions.push('ids are given by a party the attacker does not control')
  if (by === 'source') conditions.push('the attacker cannot write under the name of a source that is not his')
  if (by === 'time')
    conditions.push(
      'times are given by a party the attacker does not control, when a video is collected; where periods end and how long they are was fixed before',
    )
  if (threat === 'label_flip') conditions.push('the videos themselves are trusted')
  if (threat === 'label_flip' && (encoder.trust === 'protected_set' || encoder.trust === 'per_group' || overlap !== 0))
    conditions.push(
      'the encoder was trained, and its checkpoint chosen, without labels of the protected videos, and without class folders or filters that follow from them',
    )
  if (threat !== 'label_flip' && encoder.trust === 'public')
    conditions.push('the corpus behind the published weights is not poisoned and holds none of the protected videos')
  if (threat !== 'label_flip' && encoder.trust === 'external')
    conditions.push(
      'nobody who may poison the protected set could influence the encoder or its training data',
      comparedByBytes,
    )
  if (threat !== 'label_flip' && encoder.trust === 'per_group')
    conditions.push(
      'the encoder of a group without poison would be trained to the same weights again: one recipe, fixed before, the same machine',
      comparedByBytes,
    )
  return conditions
}
