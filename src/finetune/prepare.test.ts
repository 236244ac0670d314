import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { bytesOfWeights } from '../inference/encoder-source.ts'
import { finetuneConfiguration } from './configuration.ts'
import { planHead } from './plan.ts'
import { prepareFinetuning } from './prepare.ts'

const folder = folderForTests('videomae-prepare-')

test('warns where folders of subjects stand between a class and its videos', async () => {
  for (const inside of ['walk/s1', 'walk/s2', 'run/s1', 'run/s2']) {
    mkdirSync(path.join(folder, inside), { recursive: true })
    for (let i = 0; i < 3; i++) writeFileSync(path.join(folder, inside, `${i}.mp4`), `${inside} ${i}`)
  }
  const configuration = finetuneConfiguration({
    mode: 'ridge',
    data: { path: folder },
    model: { from: 'scratch', width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32 },
  })
  const { dataset, warnings } = await prepareFinetuning(configuration)
  expect(dataset.classes).toEqual(['s1', 's2'])
  expect(warnings).toEqual([expect.stringMatching(/run\/s1 and walk\/s1 are one class, s1/)])
})

const small = { from: 'scratch', width: 16, depth: 1, heads: 2, patch: 8, frames: 4, resolution: 32 } as const

test('warns of shares that the split column leaves nothing to', async () => {
  const list = path.join(folder, 'list.csv')
  const rows = ['walk', 'run'].flatMap((label) =>
    ['train', 'train', 'validation', 'test'].map((split, i) => `${label}/s1/${i % 3}.mp4,${label},${split},${i}`),
  )
  writeFileSync(list, `path,label,split,start\n${rows.join('\n')}\n`)
  const warningsWith = async (data: object) =>
    (await prepareFinetuning(finetuneConfiguration({ data: { path: list, ...data }, model: small }))).warnings.filter(
      (warning) => warning.includes('no effect'),
    )
  expect(await warningsWith({})).toEqual([])
  expect(await warningsWith({ test: 0.3 })).toEqual([expect.stringMatching(/^data\.test has no effect/)])
  expect(await warningsWith({ test: 0.3, validation: 0.2 })).toEqual([
    expect.stringMatching(/^data\.test and data\.validation have no effect/),
  ])
  expect(await warningsWith({ test: 0.3, official: false })).toEqual([])
})

test('a checkpoint whose sizes are taken is refused together with one whose weights are', async () => {
  const configuration = finetuneConfiguration({ data: { path: folder }, model: { from: 'run', like: 'other' } })
  await expect(prepareFinetuning(configuration)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('model.like'),
  })
})

test.each(['linear', 'attentive'] as const)(
  'a head of mode %s is planned without the weights of a fresh encoder',
  async (mode) => {
    const configuration = finetuneConfiguration({ mode, data: { path: folder }, model: small })
    const { dataset, split, source } = await prepareFinetuning(configuration)
    const drawn = [...source.state.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(bytesOfWeights(source)).toBe(drawn)
    const unread = Object.defineProperty({ ...source }, 'state', { get: () => expect.unreachable('weights were read') })
    const { start } = await planHead(configuration, { dataset, split, source: unread }, { out: folder })
    expect(start.parameters).toBeGreaterThan(drawn / 4)
    expect(start.memory.total).toBeGreaterThan(drawn)
  },
)

test('the weights of a fresh encoder are drawn once, and only when they are asked for', async () => {
  const unfit = { ...small, width: 2 ** 16, heads: 2 ** 10, depth: 24 } // terabytes
  const data = { path: folder }
  const { source: huge } = await prepareFinetuning(finetuneConfiguration({ mode: 'ridge', data, model: unfit }))
  expect(bytesOfWeights(huge)).toBeGreaterThan(2 ** 42)
  const { source } = await prepareFinetuning(finetuneConfiguration({ mode: 'ridge', data, model: small }))
  expect(source.state).toBe(source.state)
})
