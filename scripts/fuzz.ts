/**
 * Reads changed files of every format that the program reads: each has to be read, or refused with a coded error, within
 * bounds of memory and time.
 *
 *   npx tsx scripts/fuzz.ts [--cases 10000] [--seed 1] [--format NAME]... [--from CASE]
 *
 * A format runs in a process of its own; one that hangs for 300 s, grows by 512 MiB or ends with another error is reported
 * with its seed and case, which repeat it. Ends with exit code 6 then. About half a minute a format at 10,000 cases.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/index.ts'
import { formats } from './support/fuzzing/formats.ts'
import { fuzz } from './support/fuzzing/run.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    format: { type: 'string', multiple: true },
    child: { type: 'boolean', default: false },
  },
})
const [cases, seed, from] = [Number(values.cases), Number(values.seed), Number(values.from)]
const hangSeconds = 300

async function inThisProcess(name: string): Promise<void> {
  const format = formats.find((each) => each.name === name)
  if (format === undefined) throw new Error(`Expected one of ${formats.map((each) => each.name).join(', ')}.`)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-fuzz-'))
  try {
    const outcome = await fuzz(format, { folder, cases, seed, from, onCase: (_, index) => process.send?.(index) })
    const codes = Object.entries(outcome.codes).sort(([, a], [, b]) => b - a)
    const text = codes.map(([code, count]) => `${code} ${count}`).join(', ')
    const { user, system } = process.cpuUsage()
    const spent = `+${outcome.peakMiB} MiB, ${Math.round((user + system) / 1e6)} s of processor time`
    console.log(`${name}: ${outcome.cases} cases, seed ${seed}: ${outcome.read} read, ${text}; ${spent}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** False when the process hung, crashed or found something. */
function inItsOwnProcess(name: string): Promise<boolean> {
  const args = ['--child', '--format', name, '--cases', `${cases}`, '--seed', `${seed}`, '--from', `${from}`]
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let last: unknown = 'none'
  const hung = (): void => {
    console.log(`${name}, seed ${seed}, case ${last}: no end within ${hangSeconds} s`)
    child.kill('SIGKILL')
  }
  let timer = setTimeout(hung, hangSeconds * 1000)
  child.on('message', (index) => {
    last = index
    clearTimeout(timer)
    timer = setTimeout(hung, hangSeconds * 1000)
  })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== 0) console.log(`${name}, seed ${seed}, case ${last}: ended with ${signal ?? code}`)
      resolve(code === 0)
    })
  })
}

if (values.child) {
  await inThisProcess(values.format?.[0] ?? '')
  process.disconnect?.()
} else {
  let whole = true
  const names = formats.map(({ name }) => name)
  const unknown = values.format?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`Expected one of ${names.join(', ')}, received ${unknown}.`)
  for (const name of values.format ?? names) whole = (await inItsOwnProcess(name)) && whole
  process.exitCode = whole ? 0 : exitCodes.checkFailed
}
