import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { askProcess } from './adapter.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'adapter-'))
afterAll(() => rmSync(folder, { recursive: true }))

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
