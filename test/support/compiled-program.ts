/**
 * Runs once before all tests. Worker threads, decoding processes and the program that tests start come from dist/, so dist/ is built
 * anew where it is not what src/ says, also when Vitest watches.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { isBuilt } from '../../scripts/support/source-digest.mjs'

const root = path.resolve(import.meta.dirname, '../..')

export default function setup(project: TestProject): void {
  build()
  project.onTestsRerun(async () => build())
}

function build(): void {
  if (isBuilt(root)) return
  console.log('dist/ was not built from these sources. It is built now, without checking types.')
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs'), '--no-check'], {
    stdio: 'inherit',
  })
  if (status !== 0)
    throw new Error('Expected `npm run build` to succeed; tests would run an older dist/. See its messages above.')
}
