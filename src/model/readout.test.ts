import { describe, expect, test } from 'vitest'
import { readoutChoices, readoutSchema, readoutWidth } from './readout.ts'
import { readoutName } from './readout-name.ts'

const clip = { t: 4, h: 6, w: 8 }

describe('names of readouts', () => {
  test.each([
    ['mean', 'mean'],
    ['motion', 'motion:3'],
    ['motion:2', 'motion:2'],
    ['grid', 'grid:3'],
    ['motion-rms:10', 'motion-rms:10'],
    ['mean+motion', 'mean+motion:3'],
    ['grid:2+grid+mean', 'grid:2+grid:3+mean'],
  ])('%s is %s', (text, name) => {
    expect(readoutName(text)).toBe(name)
    expect(readoutName(name)).toBe(name)
    expect(readoutSchema.parse(text)).toBe(name)
  })

  test.each([
    '',
    'Motion',
    'motoin',
    'motion:',
    'motion:0',
    'motion:03',
    'motion:2x2',
    'motion:2000',
    'mean:3',
    'motion:3:3',
    'mean+',
    '+mean',
    'motion+motion:3',
    'mean++grid',
  ])('%o is refused by its name', (text) => {
    const refused = expect.objectContaining({ code: 'READOUT_UNKNOWN', exit: 'usage' })
    expect(() => readoutName(text)).toThrow(refused)
    expect(() => readoutName(text)).toThrow(JSON.stringify(text))
    expect(readoutSchema.safeParse(text).error?.issues[0].message).toContain(JSON.stringify(text))
  })

  test('auto is none, and it is said who takes it', () => {
    expect(() => readoutName('auto')).toThrow(expect.objectContaining({ hint: expect.stringContaining('finetune') }))
    expect(() => readoutName('mean+auto')).toThrow(expect.objectContaining({ code: 'READOUT_UNKNOWN' }))
  })

  test('a slip of the keyboard is told what was meant', () => {
    expect(() => readoutName('motoin:2')).toThrow(expect.objectContaining({ hint: 'Did you mean motion?' }))
  })
})

describe('what readouts need of a clip', () => {
  test('widths', () => {
    expect(readoutWidth('mean', clip, 16)).toBe(16)
    expect(readoutWidth('motion', clip, 16)).toBe(144)
    expect(readoutWidth('grid:6', clip, 16)).toBe(576)
    expect(readoutWidth('mean+grid:2', clip, 16)).toBe(80)
  })

  test.each([
    ['more cells than tokens', 'motion:7', clip],
    ['more cells than tokens across', 'grid:3', { t: 4, h: 6, w: 2 }],
    ['a change within one time step', 'motion', { t: 1, h: 6, w: 6 }],
    ['one of several', 'mean+motion', { t: 1, h: 6, w: 6 }],
    ['its root mean square', 'motion-rms', { t: 1, h: 6, w: 6 }],
  ])('%s is refused', (_, name, grid) => {
    expect(() => readoutWidth(name, grid, 16)).toThrow(
      expect.objectContaining({ code: 'READOUT_UNFIT', exit: 'usage' }),
    )
  })

  test('what is there to choose among fits', () => {
    expect(readoutChoices(clip)).toEqual(['mean', 'grid:3', 'motion:3', 'motion-rms:3'])
    expect(readoutChoices({ t: 1, h: 6, w: 2 })).toEqual(['mean', 'grid:2'])
    expect(readoutChoices({ t: 2, h: 1, w: 1 })).toEqual(['mean', 'motion:1', 'motion-rms:1'])
    for (const grid of [clip, { t: 1, h: 6, w: 2 }, { t: 2, h: 1, w: 1 }, { t: 1, h: 1, w: 1 }])
      for (const name of readoutChoices(grid)) expect(readoutWidth(name, grid, 4)).toBeGreaterThan(0)
  })

  test('a grid of one time step is not', () => {
    expect(readoutWidth('grid', { t: 1, h: 6, w: 6 }, 16)).toBe(144)
  })
})
