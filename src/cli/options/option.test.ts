import { expect, expectTypeOf, test } from 'vitest'
import { headNamed } from '../../certify/ensemble/heads/list.ts'
import { headNames } from '../../certify/ensemble/heads/names.ts'
import { ruleNamed, rules } from '../../certify/rules/list.ts'
import { learnerKinds as allLearners } from '../../certify/videos/learners/learner-options.ts'
import { createProgram } from '../create-program.ts'
import {
  anyArguments,
  argument,
  choice,
  count,
  flag,
  mandatory,
  optionalArgument,
  requireValues,
  text,
  texts,
  unlessNo,
  type ValuesOf,
  withDefault,
} from './option.ts'

const kinds = {
  out: text('folder', ''),
  from: mandatory(text('path', '')),
  encoder: texts('path', ''),
  mode: choice('mode', '', ['full', 'ridge']),
  rule: withDefault(choice('name', '', ['dpa', 'roe']), 'dpa'),
  clips: withDefault(count('clips', ''), 5),
  json: flag(''),
  pictures: unlessNo(''),
}

test('types of values follow from the definition', () => {
  expectTypeOf<ValuesOf<typeof kinds>>().branded.toEqualTypeOf<{
    readonly out?: string | undefined
    readonly from: string
    readonly encoder?: readonly string[] | undefined
    readonly mode?: 'full' | 'ridge' | undefined
    readonly rule: 'dpa' | 'roe'
    readonly clips: number
    readonly json?: boolean | undefined
    readonly pictures: boolean
  }>()
  const given = { run: argument(''), data: anyArguments(''), name: optionalArgument('') }
  expectTypeOf<ValuesOf<typeof given>>().branded.toEqualTypeOf<{
    readonly run: string
    readonly data: readonly string[]
    readonly name?: string | undefined
  }>()
})

const sound = { from: 'run', rule: 'roe', clips: 5, pictures: true }

test.each([
  ['a number as text', { clips: '5' }],
  ['no value where there is a default', { rule: undefined }],
  ['a word that is no choice', { mode: 'linear' }],
  ['one text where there may be several', { encoder: 'a' }],
  ['nothing that must be given', { from: undefined }],
  ['text of a flag', { json: 'true' }],
])('%s is no value that the definition says', (_, wrong) => {
  const check: (values: Readonly<Record<string, unknown>>) => void = (values) => requireValues(kinds, values)
  expect(() => check(sound)).not.toThrow()
  expect(() => check({ ...sound, ...wrong })).toThrow(`Expected a value of ${Object.keys(wrong)[0]} other than `)
})

test('names that help shows are those of the rules and heads', () => {
  expect(rules.map((name) => ruleNamed(name).name)).toEqual(rules)
  expect(headNames.map((name) => headNamed(name, {}).kind)).toHaveLength(headNames.length)
  expect(allLearners.slice(0, headNames.length)).toEqual(headNames)
})

test('help has no line breaks of its own: lines end where the terminal does', () => {
  const texts = createProgram().commands.flatMap((command) => [
    command.description(),
    ...command.options.map(({ description }) => description),
    ...command.registeredArguments.map(({ description }) => description),
  ])
  expect(texts.length).toBeGreaterThan(200)
  expect(texts.filter((text) => text.includes('\n') || text.includes('  '))).toEqual([])
  expect(createProgram().commands.filter((command) => command.description() === '')).toEqual([])
})
