// Runs vitest and ends with the plain line `N passed, N failed, N skipped`, whatever the reporter's format is.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-tests-'))
const file = path.join(folder, 'results.json')
const run = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
  { stdio: ['ignore', 'inherit', 'inherit'] },
)
let line = '0 passed, 1 failed, 0 skipped'
let failed = true
try {
  const results = JSON.parse(readFileSync(file, 'utf8'))
  const skipped = (results.numPendingTests ?? 0) + (results.numTodoTests ?? 0)
  // A test file that cannot even be loaded has no tests in it; count it as one failure.
  const broken = results.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0)
  const failures = results.numFailedTests + broken.length
  line = `${results.numPassedTests} passed, ${failures} failed, ${skipped} skipped`
  failed = failures > 0 || results.numPassedTests === 0 || run.status !== 0
} catch (error) {
  console.error(`The test results could not be read: ${error.message}`)
}
rmSync(folder, { recursive: true, force: true })
console.log(line)
process.exitCode = failed ? 1 : 0
