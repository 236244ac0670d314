import { describe, expect, test, vi } from 'vitest'
import { nearestKey } from '../core/nearest-key.ts'
import type { RunInput } from './configuration.ts'
import { loadRunConfiguration, parseOverride, runConfiguration } from './configuration-file.ts'

async function complaint(text: string, ...sets: string[]): Promise<string> {
  const error = await loadRunConfiguration({ file: 'recipe.yaml', text, overrides: sets.map(parseOverride) }).then(
    () => new Error('was accepted'),
    (cause: Error) => cause,
  )
  return error.message
}

describe('run configuration', () => {
  test('fills in every default', async () => {
    const configuration = await loadRunConfiguration({ text: 'model: {preset: base}\n' })
    expect(configuration.model).toMatchObject({ preset: 'base', frames: null, from: null, width: null })
    expect(configuration.optimizer).toMatchObject({ baseLearningRate: 1.5e-4, betas: [0.9, 0.95], clipNorm: null })
    expect(configuration.schedule.duration).toEqual({ unit: 'epochs', amount: 100 })
    expect(await loadRunConfiguration({})).toMatchObject({ seed: 0 })
  })

  test('is checked alike when a program writes it, and stays the same when it is checked again', async () => {
    const configuration = runConfiguration({ model: { preset: 'base' }, schedule: { duration: '20 epochs' } })
    expect(configuration).toEqual(
      await loadRunConfiguration({ text: 'model: {preset: base}\nschedule: {duration: 20 epochs}\n' }),
    )
    expect(runConfiguration(configuration)).toEqual(configuration)
    expect(() => runConfiguration({ modle: {} } as RunInput)).toThrow('did you mean "model"?')
  })

  test('refuses paths and names that are blank, which would be the working folder', async () => {
    for (const set of [
      'data.path=""',
      'data.path=[videos, " "]',
      'model.from=""',
      'engine.name=" "',
      'engine.device=""',
    ])
      expect(await complaint('seed: 1\n', set), set).toMatch(/^--set .*"[\w.]+": expected text that is not blank$/)
    expect(await complaint('data: {path: "  "}\n')).toBe(
      'recipe.yaml:1:14: "data.path": expected text that is not blank',
    )
  })

  test('says what is wrong with a key that is a list, without a warning of the parser', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    expect(await complaint('? [a, b]\n: 1\n')).toMatch(/^recipe\.yaml:1:\d+: Unknown key/)
    expect(warn).not.toHaveBeenCalled()
    warn.mockRestore()
  })

  test('names the file of an alias without its anchor, and of too many', async () => {
    expect(await complaint('seed: *a\n')).toMatch(/^recipe\.yaml: Unresolved alias .* a$/)
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `x${i}: &x${i} [${Array(9)
          .fill(i === 0 ? '1' : `*x${i - 1}`)
          .join(', ')}]`,
    )
    expect(await complaint(`${levels.join('\n')}\n`)).toMatch(/^recipe\.yaml: Excessive alias count/)
  })

  test('names file, line and column of an unknown key and the nearest key that exists', async () => {
    expect(await complaint('seed: 1\noptimizer:\n  betas: [0.9, 0.95]\n  baseLerningRate: 1\n')).toBe(
      'recipe.yaml:4:3: Unknown key "baseLerningRate" in "optimizer"; did you mean "baseLearningRate"?',
    )
    expect(await complaint('modle: {}\n')).toBe('recipe.yaml:1:1: Unknown key "modle"; did you mean "model"?')
    expect(await complaint('mask:\n  decoder: {knd: running-cell}\n')).toBe(
      'recipe.yaml:2:13: Unknown key "knd" in "mask.decoder"; did you mean "kind"?',
    )
    expect(await complaint('log: {zzzzzzzzzz: 1}\n')).toBe(
      'recipe.yaml:1:7: Unknown key "zzzzzzzzzz" in "log"; known keys: every, tensorboard, csv, signs',
    )
  })

  test('names the line of a wrong value and reports every error at once', async () => {
    const message = await complaint('seed: -1\nmask:\n  ratio: 90\nschedule:\n  duration: 5 days\n')
    expect(message.split('\n')).toEqual([
      expect.stringMatching(/^recipe\.yaml:1:7: "seed": /),
      expect.stringMatching(/^recipe\.yaml:3:10: "mask\.ratio": .*0\.98/),
      expect.stringMatching(/^recipe\.yaml:5:13: "schedule\.duration": Expected a duration such as "800 epochs"/),
    ])
    expect(await complaint('optimizer:\n  betas: [0.9, 2]\n')).toMatch(/^recipe\.yaml:2:16: "optimizer\.betas\.1"/)
  })

  test('names the line of broken YAML and of a key that is there twice', async () => {
    expect(await complaint('seed: 1\nmodel: {preset: base\n')).toMatch(/^recipe\.yaml:\d+:\d+: /)
    expect(await complaint('seed: 1\nseed: 2\n')).toMatch(/^recipe\.yaml:2:1: .*unique/)
    expect(await complaint('- 1\n')).toMatch(/^recipe\.yaml:1:1: "configuration": .*object/)
  })

  test('does not take an empty file for the defaults', async () => {
    for (const text of ['', '# nothing but a comment\n', '---\n'])
      expect(await complaint(text, 'seed=1')).toBe('recipe.yaml: expected keys of a recipe, received an empty file')
  })

  test('lets overrides replace values, make sections and be named in errors', async () => {
    const overrides = ['model.depth=6', 'optimizer.clipNorm=0.02', 'schedule.warmup={steps: 3}', 'data.path=[a, b]']
    const configuration = await loadRunConfiguration({
      text: 'model: {depth: 12}\n',
      overrides: overrides.map(parseOverride),
    })
    expect(configuration.model.depth).toBe(6)
    expect(configuration.optimizer.clipNorm).toBe(0.02)
    expect(configuration.schedule.warmup).toEqual({ unit: 'steps', amount: 3 })
    expect(configuration.data.path).toEqual(['a', 'b'])
    expect(await complaint('seed: 1\n', 'model.dept=6')).toBe(
      '--set model.dept=6: Unknown key "dept" in "model"; did you mean "depth"?',
    )
    expect(await complaint('seed: 1\n', 'mask.ratio=2')).toMatch(/^--set mask\.ratio=2: "mask\.ratio"/)
    expect(await complaint('seed: 1\n', 'seed.x=2')).toBe('--set seed.x=2: seed is a value, not a section')
    expect(() => parseOverride('model.depth')).toThrow(/key=value/)
    expect(() => parseOverride('a=[1')).toThrow(/YAML/)
  })

  test('has no use for prototype keys', async () => {
    expect(await complaint('seed: 1\n', '__proto__.seed=2')).toMatch(/__proto__/)
    expect(await complaint('constructor: {}\n')).toMatch(/Unknown key "constructor"/)
  })
})

describe('nearest key', () => {
  test.each([
    ['widht', 'width'],
    ['lr', null],
    ['Decoder', 'decoder'],
    ['warm_up', 'warmup'],
  ])('%s -> %s', (key, expected) => {
    expect(nearestKey(key, ['width', 'depth', 'decoder', 'warmup', 'duration'])).toBe(expected)
  })
})
