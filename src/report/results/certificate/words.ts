/** Plain words for what a certificate states in terms. */
import type { ReadCertificate } from '../../../certify/verify/schema.ts'
import type { CertificateFacts } from './facts.ts'

type Words = Pick<CertificateFacts, 'threat' | 'periods' | 'by'>

/** What a radius counts, short: `3 units`, or `3 periods` where any number of videos fits into a unit. */
export function unitWord({ periods }: Pick<Words, 'periods'>): readonly [one: string, many: string] {
  return periods ? ['period', 'periods'] : ['unit', 'units']
}

/** The axis of radii. */
export function radiusLabel(facts: Words): string {
  const { threat, periods } = facts
  if (periods) return 'poisoned periods of time, with any number of videos in them'
  if (threat === null) return 'poisoned units (see the conditions)'
  return {
    label_flip: 'units whose labels an attacker has changed',
    general: 'units that an attacker has inserted or deleted',
    source: 'sources that an attacker has added, removed or rewritten',
    temporal: 'poisoned periods of time',
  }[threat.threat]
}

/** What the attacker is assumed to be able to do. */
export function threatSentence({ threat }: ReadCertificate['threat']): string {
  return {
    label_flip: 'The attacker changes labels of training videos. The videos themselves are trusted.',
    general: 'The attacker inserts, deletes, edits and relabels training videos.',
    source: 'The attacker adds, removes or rewrites whole sources of training videos, with any number of videos each.',
    temporal:
      'The attacker changes anything that was collected in a stretch of neighboring periods of time, with any number of videos.',
  }[threat]
}

/** Where the encoder comes from, and what follows. */
export function encoderSentence({ trust, overlap }: ReadCertificate['threat']['encoder']): string {
  const shared = overlap === null ? 'It is unknown whether it shares videos with the protected set.' : ''
  return {
    fixed: 'The base classifiers share no trained encoder, so poison cannot act through an encoder.',
    external: `The encoder was trained on data that the attacker could not change. Its training manifest shares ${overlap === 0 ? 'no sample' : `${overlap ?? 'an unknown number of'} samples`} with the protected set.`,
    public: `The encoder has published weights of unknown origin. The claim is relative to these weights. ${shared}`,
    protected_set: 'The encoder was pretrained on protected videos, without their labels.',
    per_group: 'Each group of partitions has its own encoder, pretrained only on the videos of that group.',
  }[trust]
}

/** How the predictions are made, for readers who see the terms for the first time. */
export function methodSentences({ threat, periods, learner }: Words & { readonly learner: string | null }): string {
  if (threat === null)
    return 'Several classifiers (base classifiers) vote on each input. A rule counts their votes and says how many units of poison cannot change the result.'
  const [part, parts] = periods ? ['period', 'periods of time'] : ['partition', 'partitions']
  return (
    `The protected videos are divided into K ${parts}, and classifiers (base classifiers${learner !== null && Object.hasOwn(learnerWords, learner) ? `; here ${learnerWords[learner]}` : ''}) are each trained on a part of them. ` +
    `They vote on each input. Poison in one ${part} changes only the base classifiers that are trained on it, so a clear majority stays. ` +
    'A predictor is named after the rule that counts the votes and after K: DPA K=9 gives one vote to each of 9 base classifiers; ROE (run-off election) lets all of them choose again between the first two classes.'
  )
}

const learnerWords: Readonly<Record<string, string>> = {
  ridge: 'a linear classifier on fixed features, by ridge regression',
  linear: 'a linear classifier on fixed features, by logistic regression',
  nearest_mean: 'the class with the nearest mean of fixed features',
  attentive: 'an attention layer and a linear classifier on fixed features',
  full: 'an encoder of which all weights are trained',
  scratch: 'a network trained from fresh weights',
}

/** A kind of base classifier, with what it is. */
export function learnerWord(kind: string): string {
  return Object.hasOwn(learnerWords, kind) ? `${kind}: ${learnerWords[kind]}` : kind
}
