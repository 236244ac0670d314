import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../../test/support/folder-for-tests.ts'
import { askProcess } from './adapter.ts'

const folder = folderForTests('adapter-')

function script(name: string, text: string): string {
  const file = path.join(folder, `${name}.mjs`)
  writeFileSync(file, text)
  return file
}

test('an adapter that ends its process is reported, not followed', async () => {
  await expect(askProcess(script('abort', 'process.abort()'))).rejects.toThrow('ended with SIGABRT')
  await expect(askProcess(script('exit', 'process.exit(3)'))).rejects.toThrow('ended with code 3')
})

test('what the process prints is the report', async () => {
  const report = { reason: 'no driver' }
  const printed = `process.stdout.write(${JSON.stringify(JSON.stringify(report))})`
  expect(await askProcess(script('report', printed))).toEqual(report)
})
