import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { type TrainingJob, trainInDirectory } from './training-run.ts'

const folder = folderForTests('videomae-training-run-')

test.each([false, true])('replaces nothing in a folder of another purpose, resuming: %s', async (resume) => {
  const out = mkdtempSync(path.join(folder, 'foreign-'))
  writeFileSync(path.join(out, 'config.json'), '{"mine":1}')
  const opened = new Error('the run has begun')
  const job = { open: () => Promise.reject(opened) } as unknown as TrainingJob
  await expect(trainInDirectory(job, { out, resume })).rejects.toMatchObject({ code: 'RUN_FOLDER', exit: 'usage' })
  expect(await readdir(out)).toEqual(['config.json'])
  expect(readFileSync(path.join(out, 'config.json'), 'utf8')).toBe('{"mine":1}')
  // Others write metrics.jsonl, too.
  writeFileSync(path.join(out, 'metrics.jsonl'), '')
  await expect(trainInDirectory(job, { out, resume })).rejects.toMatchObject({ code: 'RUN_FOLDER' })
  expect(readFileSync(path.join(out, 'config.json'), 'utf8')).toBe('{"mine":1}')
  // One that was stopped before its first checkpoint is the run's own.
  writeFileSync(path.join(out, 'config.json'), '{"engineUsed":"native"}')
  await expect(trainInDirectory(job, { out, resume })).rejects.toBe(opened)
})
