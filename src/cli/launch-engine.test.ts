import { expect, test } from 'vitest'
import { refuseEngineWithoutRanks } from './launch-engine.ts'

const refusal = (line: string, ranks = 2, variables: Readonly<Record<string, string>> = {}) =>
  refuseEngineWithoutRanks(line.split(' '), ranks, variables).then(
    () => null,
    ({ code }: { code: string }) => code,
  )

test.each([
  'pretrain videos --engine webgpu',
  'pretrain videos --engine=webgpu --dry-run',
  'pretrain videos --set engine.name=webgpu',
  'finetune list.csv --mode full --engine webgpu',
  'finetune list.csv --set mode=full --engine webgpu',
])('%s is refused before ranks start', async (line) => {
  expect(await refusal(line)).toBe('PROGRAM_UNSUPPORTED')
  expect(await refusal(line, 1)).toBeNull()
  expect(await refusal(line.replace('webgpu', 'native'))).toBeNull()
})

test('an engine that the variable names is refused, unless the command names another one', async () => {
  const variables = { VIDEOMAE_ENGINE: 'webgpu' }
  expect(await refusal('pretrain videos', 2, variables)).toBe('PROGRAM_UNSUPPORTED')
  expect(await refusal('pretrain videos --engine auto', 2, variables)).toBe('PROGRAM_UNSUPPORTED')
  expect(await refusal('pretrain videos --engine native', 2, variables)).toBeNull()
})

test.each([
  'finetune list.csv --mode ridge --engine webgpu',
  'features videos --from encoder --engine webgpu',
  'pretrain videos --set engine.name=webgpu --engine native',
])('%s is left to the ranks', async (line) => {
  expect(await refusal(line)).toBeNull()
})
