/**
 * Changed files of every format are read or refused with a coded error that blames the file; `scripts/fuzz.ts` does the same
 * with 10,000 cases each, and in processes that are watched for hanging.
 */
import { expect, test } from 'vitest'
import { formats } from '../../scripts/support/fuzzing/formats.ts'
import { fuzz } from '../../scripts/support/fuzzing/run.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-fuzz-')

test.each(formats.map((format) => [format.name, format] as const))('%s', async (_name, format) => {
  const { codes } = await fuzz(format, { folder, cases: 30, seed: 20_261_128 })
  expect(Object.keys(codes)).not.toEqual([]) // Some changes were noticed.
})
