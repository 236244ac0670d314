import { expect, test } from 'vitest'
import { gaussians } from '../../../test/support/gaussians.ts'
import { VideoMaeError } from '../../core/errors.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import type { Rule } from '../rules/list.ts'
import { checkThreat, type EncoderProvenance, type Threat } from './threat.ts'

const set = gaussians({ rows: 20, seed: 1 })
const elsewhere = { manifest: 'm', samples: gaussians({ rows: 20, seed: 2 }).digests }
const overlapping = { manifest: 'm', samples: [...elsewhere.samples, set.digests[3], set.digests[3]] }
const encoder = (more: Partial<EncoderProvenance>): EncoderProvenance => ({
  digest: 'd',
  trust: 'external',
  labelsUsed: false,
  trainedOn: elsewhere,
  ...more,
})
const check = (
  threat: Threat,
  provenance: EncoderProvenance,
  by: BucketKey = 'content',
  rules: readonly Rule[] = ['dpa'],
) => checkThreat(set, by, rules, { threat, encoder: provenance })
const refusal = (...args: Parameters<typeof check>): { code: string; message: string; hint: string } => {
  try {
    check(...args)
  } catch (error) {
    if (error instanceof VideoMaeError) return { code: error.code, message: error.message, hint: error.hint ?? '' }
  }
  throw new Error('the claim was not refused')
}

test('a trusted encoder that shares nothing with the protected set allows the general claim', () => {
  const statement = check('general', encoder({}))
  expect(statement.encoder.overlap).toBe(0)
  expect(statement.unit).toMatch(/inserted or deleted/)
  expect(check('general', encoder({ trust: 'fixed', trainedOn: null })).encoder.overlap).toBe(0)
  expect(check('source', encoder({}), 'source').unit).toMatch(/source/)
})

test('one shared sample refuses the general claim and says that label flips hold', () => {
  const { code, message, hint } = refusal('general', encoder({ trainedOn: overlapping }))
  expect(code).toBe('THREAT_NOT_CERTIFIED')
  expect(message).toMatch(/1 of the protected samples/)
  expect(hint).toMatch(/label_flip/)
  // One content in many rows, and its original next to it, are one sample.
  const prepared = { ...set, originals: set.digests.map((_, row) => (row === 3 ? 'original' : null)) }
  const both = encoder({ trainedOn: { manifest: 'm', samples: [...elsewhere.samples, 'original', set.digests[3]] } })
  const only = encoder({ trainedOn: { manifest: 'm', samples: [...elsewhere.samples, 'original'] } })
  for (const provenance of [both, only]) {
    const claim = { threat: 'label_flip', encoder: provenance } as const
    expect(checkThreat(prepared, 'content', ['dpa'], claim).encoder.overlap).toBe(1)
  }
  const statement = check('label_flip', encoder({ trainedOn: overlapping }))
  expect(statement.encoder.overlap).toBe(1)
  expect(statement.conditions.join()).toMatch(/without labels/)
})

test('where nobody knows what an encoder was trained on, it is a condition that no labels were used', () => {
  for (const trust of ['public', 'external', 'protected_set'] as const)
    expect(check('label_flip', encoder({ trust, trainedOn: null })).conditions.join()).toMatch(/without labels/)
  for (const known of [encoder({}), encoder({ trust: 'fixed', trainedOn: null })])
    expect(check('label_flip', known).conditions.join()).not.toMatch(/without labels/)
})

test('that training data was compared by bytes is said where a claim rests on it', () => {
  expect(check('general', encoder({})).conditions.join()).toMatch(/compared by their bytes/)
  expect(check('general', encoder({ trust: 'fixed', trainedOn: null })).conditions.join()).not.toMatch(/bytes/)
})

test('an encoder that saw the labels allows nothing', () => {
  for (const threat of ['label_flip', 'general'] as const)
    expect(refusal(threat, encoder({ trust: 'protected_set', labelsUsed: true, trainedOn: overlapping })).hint).toMatch(
      /nothing/,
    )
  // A checkpoint chosen by a probe on the protected labels is enough, even if no video is shared.
  expect(refusal('label_flip', encoder({ labelsUsed: true })).message).toMatch(/choosing the encoder/)
})

test('trust without a manifest is refused for videos; public weights make the claim relative to them', () => {
  expect(refusal('general', encoder({ trainedOn: null })).message).toMatch(/training manifest/)
  expect(check('general', encoder({ trust: 'public', trainedOn: null })).claim).toMatch(/weights held fixed/)
  for (const trust of ['public', 'fixed', 'external'] as const)
    expect(refusal('general', encoder({ trust, trainedOn: overlapping })).code).toBe('THREAT_NOT_CERTIFIED')
})

test('group encoders allow the general claim for rule groups only', () => {
  const grouped = encoder({ trust: 'per_group', trainedOn: null })
  const statement = check('general', grouped, 'content', ['groups'])
  expect(statement.threat).toBe('general')
  expect(statement.conditions.join()).toMatch(/trained to the same weights again/)
  expect(refusal('general', grouped, 'content', ['groups', 'roe']).hint).toMatch(/rule groups/)
})

test('a claim about sources needs buckets by source', () => {
  expect(refusal('source', encoder({})).hint).toMatch(/by source/)
})
