import { expect, test } from 'vitest'
import { checkAudit } from '../certify/audit/audit.ts'
import { checkRules } from '../certify/certify-plan.ts'
import { checkStudy } from '../certify/dose/lethal-dose.ts'
import { headLearners } from '../certify/ensemble/heads/family.ts'
import { publishedOffsets, spreadOffsets } from '../certify/rules/spread.ts'
import { finetuneSchema } from '../finetune/configuration.ts'
import { computeFeatures } from '../inference/features.ts'
import { spatialViews, temporalViews } from '../inference/views.ts'
import { runSchema } from '../train/configuration.ts'
import { type CountName, largestCounts, learnerCount, requireCount, requireFilledLearners } from './counts.ts'

const usage = expect.objectContaining({ code: 'INVALID_ARGUMENT', exit: 'usage' })

test.each(Object.entries(largestCounts))('%s is counted up to %d', (name, most) => {
  expect(() => requireCount(name as CountName, most)).not.toThrow()
  for (const value of [most + 1, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300])
    expect(() => requireCount(name as CountName, value), String(value)).toThrow(usage)
  expect(() => requireCount(name as CountName, 0, name, 0)).not.toThrow()
})

test('learners of an ensemble are counted with spread and seeds', () => {
  expect(learnerCount(1000, 16)).toBe(16_000)
  expect(learnerCount(2 ** 14, 1024)).toBe(largestCounts.learners)
  expect(() => learnerCount(2 ** 14 + 1, 1024)).toThrow(usage)
  expect(() => learnerCount(2 ** 14, 4, 1024)).toThrow(usage)
})

const views = { kind: 'dense', stride: 4, fps: null } as const
const rules = { by: 'content', partitions: 3 } as const

test.each<[string, () => unknown]>([
  ['clips', () => temporalViews(views, 16, 1e9)],
  ['crops', () => spatialViews(1e9)],
  ['spread', () => spreadOffsets(3, 1e8)],
  ['partitions', () => spreadOffsets(1e9, 2)],
  ['published spread', () => publishedOffsets(3, 1e8)],
  ['spread of rules', () => checkRules({ ...rules, rules: ['fa'], spread: 1e8 })],
  ['partitions of rules', () => checkRules({ ...rules, partitions: [50, 1e8], rules: ['dpa'] })],
  ['partitions times the default spread', () => checkRules({ ...rules, partitions: 2 ** 23, rules: ['fa'] })],
  ['seeds', () => checkRules({ ...rules, seeds: 1e9 })],
  ['groups', () => checkRules({ ...rules, partitions: 1e6, groups: 1e6, rules: ['groups'] })],
  ['collective budgets', () => checkRules({ ...rules, collective: [1e12] })],
  ['trials', () => checkAudit({ trials: 1e9 })],
  ['attacks', () => checkAudit({ attacks: -1 })],
  ['budget', () => checkAudit({ largestBudget: 1e12 })],
  ['budget beyond the learners', () => checkAudit({ largestBudget: 101, learners: 100 })],
  ['learners for few samples', () => requireFilledLearners(24, 65_537)],
  ['learners of a spread', () => requireFilledLearners(2000, 256_001, 2)],
  ['subsets', () => checkStudy({ partitions: [5], subsets: 1e9 })],
  ['partitions of a study', () => checkStudy({ partitions: [1e9] })],
])('%s out of bounds are refused before anything is made for them', (_, call) => {
  expect(call).toThrow(usage)
})

test('as many learners as samples can fill are not refused', () => {
  requireFilledLearners(24, 65_536)
  requireFilledLearners(2000, 128_000)
  requireFilledLearners(2000, 256_000, 2)
  checkAudit({ largestBudget: 100, learners: 100 })
})

test.each([{ clips: 1e9 }, { crops: 1e9 }, { batch: 1e9 }, { workers: 1e9 }, { threads: 1e9 }, { windowStep: 1e12 }])(
  'features with %o are refused before the encoder is looked at',
  async (option) => {
    await expect(computeFeatures(null as never, [], { cache: 'no such folder', ...option })).rejects.toThrow(usage)
  },
)

test('an ensemble that does not fit into memory is refused with the numbers', async () => {
  const set = {
    rows: 2,
    width: 65_536,
    features: new Float32Array(2 * 65_536),
    labels: Int32Array.of(0, 1),
    classNames: ['a', 'b'],
    ids: ['a', 'b'],
    digests: ['0'.repeat(64), '1'.repeat(64)],
  }
  await expect(headLearners({ kind: 'ridge' }).train(set, { by: 'content', learners: 2 ** 22 })).rejects.toThrow(
    expect.objectContaining({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(/2048\.\d GiB for 4194304 heads/),
    }),
  )
})

test.each([
  ['data', 'workers'],
  ['data', 'samplesPerClip'],
  ['batch', 'size'],
  ['batch', 'perRun'],
  ['engine', 'threads'],
  ['checkpoint', 'keep'],
  ['clip', 'stride'],
])('%s.%s of a recipe is bounded', (section, key) => {
  for (const schema of [runSchema, finetuneSchema]) {
    const result = schema.safeParse({ [section]: { [key]: 1e9 } })
    expect(result.error?.issues.map(({ path, code }) => [path.join('.'), code])).toContainEqual([
      `${section}.${key}`,
      'too_big',
    ])
  }
})

test.each([
  ['data', 'shots', 1e12],
  ['probe', 'epochs', 1e9],
  ['probe', 'batch', 1e9],
  ['probe', 'heads', 1e9],
  ['probe', 'clips', 1e9],
  ['evaluation', 'clips', 1e9],
  ['evaluation', 'crops', 1e9],
  ['evaluation', 'batch', 1e9],
])('%s.%s of a fine-tuning recipe is bounded', (section, key, value) => {
  const result = finetuneSchema.safeParse({ [section]: { [key]: value } })
  expect(result.error?.issues.map(({ path, code }) => [path.join('.'), code])).toContainEqual([
    `${section}.${key}`,
    'too_big',
  ])
})
