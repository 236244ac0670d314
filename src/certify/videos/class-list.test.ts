import { expect, test } from 'vitest'
import { declaredClasses } from './class-list.ts'

test('a blank name is no class', async () => {
  await expect(declaredClasses(['run', ' '])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test.each([[[]], [['no-such-file.txt']]])('of %j the error says how classes are named', async (given) => {
  await expect(declaredClasses(given)).rejects.toMatchObject({
    code: 'CLASSES_TOO_FEW',
    hint: expect.stringContaining('an existing file with a name in each line'),
  })
})
