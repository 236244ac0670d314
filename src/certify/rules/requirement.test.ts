import { describe, expect, test } from 'vitest'
import { summarizeRadii } from './metrics.ts'
import { checkRequirements, parseRequirements, requirementError, requirementLines } from './requirement.ts'

/** Five inputs: one wrong, the others certified for 0, 1, 3 and 3. */
const summary = summarizeRadii([-1, 0, 1, 3, 3])
const all = (...texts: string[]) =>
  checkRequirements([{ run: 'DPA K=9', inputs: 5, summary }], parseRequirements(texts))!

describe('requirements', () => {
  test.each([
    ['accuracy>=0.8', true],
    ['accuracy>=0.81', false],
    ['certified@0>=0.8', true],
    ['certified@1>=0.6', true],
    ['certified@2 >= 0.4', true],
    ['certified@2>=0.41', false],
    ['certified@3>=0.4', true],
    ['certified@4>=0', true],
    ['certified@4>=0.0001', false],
    ['median-radius>=1', true],
    ['median-radius>=2', false],
    ['mean-radius>=1.4', true],
    ['mean-radius>=1.41', false],
  ])('%s: %s', (text, met) => {
    const report = all(text)
    expect(report.metBy).toEqual(met ? ['DPA K=9'] : [])
    expect(requirementLines(report)[0]).toMatch(met ? /^met/ : /^NOT MET/)
    expect(requirementError(report)?.code).toBe(met ? undefined : 'REQUIREMENT_NOT_MET')
  })

  test('shows a value that is below by little with the digits that say so', () => {
    const thirds = [{ run: 'thirds', inputs: 3, summary: summarizeRadii([-1, 0, 0]) }]
    const [below, above] = ['accuracy>=0.66667', 'accuracy>=0.6666'].map(
      (text) => requirementLines(checkRequirements(thirds, parseRequirements([text]))!)[0],
    )
    expect(below).toBe('NOT MET    accuracy>=0.66667  thirds: 0.666667')
    expect(above).toBe('met        accuracy>=0.6666  thirds: 0.6667')
  })

  test('are met by one run together, not by two runs together', () => {
    const runs = [
      { run: 'accurate', inputs: 4, summary: summarizeRadii([0, 0, 0, 0]) },
      { run: 'robust', inputs: 4, summary: summarizeRadii([9, 9, -1, -1]) },
    ]
    const both = ['accuracy>=0.9', 'certified@9>=0.5']
    expect(checkRequirements(runs, parseRequirements(both))?.metBy).toEqual([])
    expect(checkRequirements(runs, parseRequirements([both[1]]))?.metBy).toEqual(['robust'])
  })

  test('take a median that does not exist for too small', () => {
    const half = { run: 'weak', inputs: 3, summary: summarizeRadii([-1, -1, 4]) }
    const report = checkRequirements([half], parseRequirements(['median-radius>=0']))
    expect(report).toMatchObject({ metBy: [], runs: [{ values: [{ value: null }] }] })
  })

  test('that are not there are met by anything, and those of no run by nothing', () => {
    expect(requirementError(checkRequirements([], []))).toBeNull()
    expect(requirementError(checkRequirements([], parseRequirements(['accuracy>=0'])))?.message).toContain(
      'accuracy>=0',
    )
  })

  test.each([
    ...[
      '',
      'certified>=0.5',
      'certified@-1>=0.5',
      'certified@1.5>=0.5',
      'certified@5>0.5',
      'accuracy>=60%',
      'accuracy>=60',
    ],
    ...[
      'accuracy>=',
      'radius>=2',
      'certified@99999999999999999999>=0',
      'accuracy>=0.5 and accuracy>=0.6',
      'accuracy>=-1',
    ],
  ])('refuses %j', (text) => {
    expect(() => parseRequirements([text])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  test('refuses the same one twice, and runs without true classes', () => {
    expect(() => parseRequirements(['accuracy>=0.5', 'accuracy>=0.5'])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
    const unlabeled = [{ run: 'imported', inputs: 2, summary: null }]
    expect(() => checkRequirements(unlabeled, parseRequirements(['accuracy>=0.5']))).toThrow(
      expect.objectContaining({ code: 'NO_TRUE_CLASSES' }),
    )
  })

  test('refuse inputs without a true class: those that are wrong could be among them', () => {
    const partly = [{ run: 'imported', inputs: 6, summary }]
    const error = expect.objectContaining({
      code: 'NO_TRUE_CLASSES',
      message: expect.stringContaining('imported has 5 for 6 inputs'),
    })
    expect(() => checkRequirements(partly, parseRequirements(['accuracy>=0.5']))).toThrow(error)
  })
})
