/**
 * Runs commands of the compiled program one after another, so that tests with many commands do not start Node.js and load the
 * program for each. The parent sends the arguments; a marker in both streams ends what a command has written.
 */
import { runProgram } from '../../dist/cli/program.js'
import { IdleProcesses } from '../../dist/video/idle-processes.js'
import { DecodePool } from '../../dist/video/pool.js'

// Commands hand their decoding processes on to the next one: to start one takes as much processor time as a small command. Tests
// of the processes themselves start a program of their own.
const processes = new IdleProcesses()
const { start } = DecodePool.prototype
if (start === undefined)
  throw new Error('Expected DecodePool to have a method `start`, which takes over idle processes.')
DecodePool.prototype.start = function (place) {
  this.options = { ...this.options, processes }
  start.call(this, place)
}

process.on('message', async ({ args, script, marker }) => {
  process.argv = [process.execPath, script, ...args]
  process.exitCode = undefined
  try {
    await runProgram(args)
  } catch (error) {
    // What is thrown here ends a process of its own with a stack and this code.
    process.stderr.write(`${error.stack}\n`)
    process.exitCode = 1
  }
  const code = process.exitCode ?? 0
  process.stdout.write(marker)
  process.stderr.write(marker)
  process.send({ code })
})
process.on('disconnect', () => process.exit(0))
