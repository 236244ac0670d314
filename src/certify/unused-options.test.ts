import { expect, test } from 'vitest'
import { checkRules } from './certify-plan.ts'
import { auditVideos } from './videos/audit-videos.ts'
import { planVideos } from './videos/plan.ts'

const options = { by: 'content', partitions: 3 } as const
const refused = (name: string) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', exit: 'usage', message: expect.stringContaining(`for ${name} `) })

test('budgets for the whole test set are refused where no rule has such a bound', () => {
  expect(() => checkRules({ ...options, rules: ['roe'], collective: [1, 2] })).toThrow(refused('collective'))
  expect(() => checkRules({ ...options, rules: ['roe_fa'], collective: [1] })).toThrow(refused('collective'))
  expect(() => checkRules({ ...options, rules: ['dpa', 'roe'], collective: [1, 2] })).not.toThrow()
  expect(() => checkRules({ ...options, rules: ['fa'], collective: [1, 2] })).not.toThrow()
})

test('a spread is refused where no rule has one', () => {
  expect(() => checkRules({ ...options, rules: ['dpa'], spread: 8 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, spread: 8 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, rules: ['dpa', 'fa'], spread: 8 })).not.toThrow()
})

test('a spread of 1 is refused beside rules without one: both would write the same files', () => {
  expect(() => checkRules({ ...options, rules: ['roe', 'fa'], spread: 1 })).toThrow(refused('spread'))
  expect(() => checkRules({ ...options, rules: ['fa', 'roe_fa'], spread: 1 })).not.toThrow()
})

test('a share to predict is refused beside videos to predict', async () => {
  const plan = planVideos({ data: 'no such list.csv', test: 'nor this.csv', testShare: 0.5, cache: 'none' })
  await expect(plan).rejects.toThrow(refused('testShare'))
})

test('encoder groups of an audit are refused with a rule and an encoder that have none', async () => {
  const job = { data: 'none', from: 'none', rule: 'dpa', partitions: 4, groups: 2, out: 'none' } as const
  await expect(auditVideos(job)).rejects.toThrow(refused('groups'))
})
