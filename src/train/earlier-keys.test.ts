/** Recipes, overrides and run folders with an earlier name of a key mean what they meant. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { makeTemporaryFolder } from '../core/make-folder.ts'
import { writeSafetensors } from '../format/safetensors.ts'
import { readOptimizerState } from './checkpoint.ts'
import { loadRunConfiguration, parseOverride, runConfiguration } from './configuration-file.ts'
import { requireSameRun } from './same-run.ts'

const folder = makeTemporaryFolder('earlier-keys')
const file = path.join(folder, 'recipe.yaml')
writeFileSync(file, 'optimizer:\n  clipNorm: 1\n  average: 0.99\n')

test('optimizer.average is optimizer.ema, in recipes, with --set and from a program', async () => {
  const { optimizer } = await loadRunConfiguration({ file })
  expect(optimizer).toMatchObject({ ema: 0.99, clipNorm: 1 })
  expect(optimizer).not.toHaveProperty('average')
  for (const key of ['average', 'ema']) {
    const overrides = [parseOverride(`optimizer.${key}=0.5`)]
    expect((await loadRunConfiguration({ file, overrides })).optimizer.ema).toBe(0.5)
  }
  const input: object = { optimizer: { average: 0.9 } }
  expect(runConfiguration(input).optimizer.ema).toBe(0.9)
  await expect(loadRunConfiguration({ file, overrides: [parseOverride('optimizer.average=2')] })).rejects.toThrow(
    /^--set optimizer\.average=2: /,
  )
  const both: object = { optimizer: { average: 0.9, ema: 0.9 } }
  expect(() => runConfiguration(both)).toThrow('Unknown key "average" in "optimizer"')
})

test('a run continues from a checkpoint with the earlier key', () => {
  const run = (optimizer: object) => ({
    ...{ engine: 'reference', data: { digest: 'd', entries: 1 }, configuration: { optimizer } },
  })
  expect(requireSameRun(run({ average: 0.9 }), run({ ema: 0.9 }))).toEqual([])
  expect(() => requireSameRun(run({ average: 0.9 }), run({ ema: 0.8 }))).toThrow('optimizer.ema: 0.9 -> 0.8')
})

test('the EMA of a checkpoint is read under the name that earlier versions wrote', async () => {
  const data = Float32Array.of(1, 2)
  const tensors = ['average/head.weight', 'ema/norm.bias', 'adam.m/average/w'].map(
    (name) => [name, { shape: [2], data }] as const,
  )
  await writeSafetensors(path.join(folder, 'optimizer.safetensors'), new Map(tensors))
  expect([...(await readOptimizerState(folder)).keys()].sort()).toEqual([
    'adam.m/average/w',
    'ema/head.weight',
    'ema/norm.bias',
  ])
})
