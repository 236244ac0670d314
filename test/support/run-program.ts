import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../src/core/entry.ts'
import type { FinishedProgram } from './finished-program.ts'
import { ProgramHost } from './program-host.ts'

export interface StartedProgram {
  readonly process: ChildProcess
  /** What it has written so far. */
  readonly stderr: () => string
  readonly ended: Promise<FinishedProgram>
}

/** Starts `videomae` as a user does, from the compiled program. */
export const startVideomae = (...args: readonly string[]): StartedProgram => startVideomaeIn(undefined, ...args)

/** The same in an environment of its own; `undefined` is that of this process. */
export const startVideomaeIn = (env: NodeJS.ProcessEnv | undefined, ...args: readonly string[]): StartedProgram =>
  startProgram({ env }, [script(), ...args])

/** The same in a working folder. */
export const startVideomaeFrom = (cwd: string, ...args: readonly string[]): StartedProgram =>
  startProgram({ cwd }, [script(), ...args])

const script = (): string =>
  fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))

interface ProgramPlace {
  /** Default: Node.js. */
  readonly program?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export function startProgram(
  { program = process.execPath, ...location }: ProgramPlace,
  args: readonly string[],
): StartedProgram {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...location })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<FinishedProgram>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { process: child, stderr: () => stderr, ended }
}

/** Runs `videomae` to its end, in a process of its own. */
export const videomaeAlone = (...args: readonly string[]): Promise<FinishedProgram> => startVideomae(...args).ended

const hosts: ProgramHost[] = []

/** Runs a command of `videomae` to its end, in a process that has run other commands of the same test file. */
export async function videomae(...args: readonly string[]): Promise<FinishedProgram> {
  let host = hosts.find((candidate) => candidate.idle)
  if (host === undefined) {
    host = new ProgramHost(script())
    hosts.push(host)
  }
  return host.run(args)
}
