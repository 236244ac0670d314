#!/usr/bin/env node
/** Starts the program, unless Node.js is too old to load it: what follows is kept to syntax that an old version can read. */
import { nodeAdvice, nodeCode, nodeProblem } from '../core/node-version.ts'

const problem = nodeProblem(process.versions.node)
if (problem === null) {
  import('./early-signals.ts')
    .then(({ handleEarlySignals }) => {
      handleEarlySignals()
      return import('./program.ts')
    })
    .then(({ main }) => main())
    .catch((error) => {
      // Thrown outside of the promise, it ends the process the way an uncaught exception does.
      setImmediate(() => {
        throw error
      })
    })
} else {
  if (process.argv.indexOf('--json') < 0) process.stderr.write(`videomae: ${problem} [${nodeCode}]\n  ${nodeAdvice}\n`)
  else {
    const error = { code: nodeCode, message: problem, hint: nodeAdvice }
    process.stdout.write(`${JSON.stringify({ error: error })}\n`)
  }
  process.exitCode = 4
}
