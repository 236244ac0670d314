import { expect, test } from 'vitest'
import { engineNamed, engineNames, listEngines } from './index.ts'

test('every name leads to the engine of that name', async () => {
  for (const name of engineNames) expect((await engineNamed(name)).name).toBe(name)
})

test('unknown names are refused with the names there are', async () => {
  await expect(engineNamed('abacus')).rejects.toThrow(
    expect.objectContaining({ code: 'ENGINE_UNKNOWN', exit: 'usage', message: expect.stringContaining('reference') }),
  )
})

test('the list says for each engine whether it can run here, and why not', async () => {
  const listed = await listEngines()
  expect(listed.map(({ name }) => name)).toEqual(engineNames)
  for (const { detail } of listed) expect(detail).not.toBe('')
  expect(listed.find(({ name }) => name === 'reference')?.available).toBe(true)
})
