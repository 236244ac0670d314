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

/** Radii whose certified accuracy a table shows: 0, 1 and round ones, at most six, up to the largest there is. */
export function tabledRadii(largest: number): number[] {
  const round = [2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000].filter((r) => r <= largest)
  const first = [0, 1].filter((r) => r <= Math.max(1, largest))
  return [...first, ...(round.length <= 4 ? round : round.slice(-4))]
}
