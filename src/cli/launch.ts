import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { exitCodes, invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import { makeTemporaryFolder } from '../core/make-folder.ts'
import { findMpiPrograms, type MpiProgram, mpiProgramOf } from '../distributed/find-mpi.ts'
import { libraryVariable } from '../distributed/launched.ts'
import { findNccl } from '../engine/cuda/driver/find.ts'
import type { LaunchCommandOptions } from './commands/launch.ts'
import { refuseEngineWithoutRanks } from './launch-engine.ts'
import { localRanks, type Running, startProcesses } from './launch-processes.ts'
import { rankCommands } from './one-process.ts'
import { codeOfRank, launchProcessVariable, stopFileVariable } from './stop-file.ts'

/** Milliseconds that MPI may take to end all ranks when it is asked to. */
const endLimit = 5000

/**
 * `videomae launch --ranks N -- pretrain ...`: starts the command on N ranks of this machine and ends as they do.
 *
 * The first Ctrl-C, SIGTERM or SIGHUP lets the ranks save; launchers would kill them. The second one ends all at once.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `PROGRAM_UNSUPPORTED`, `LAUNCHER_MISSING`, `RANK_DIED`
 */
export async function launchCommand(
  args: readonly string[],
  { ranks, mpirun, restarts = 0 }: LaunchCommandOptions,
): Promise<void> {
  const [command] = args
  if (command === undefined || !rankCommands.includes(command))
    throw invalidArgument(
      'COMMAND',
      `${rankCommands.slice(0, -1).join(', ')} or ${rankCommands.at(-1)} after --, with its options`,
      args.join(' '),
    )
  const shard = args.find((each) => /^--shard(=|$)/.test(each))
  if (shard !== undefined)
    throw unusedArgument(
      '--shard',
      'after launch',
      shard,
      'Every rank would have the same part. Leave it out: the ranks divide the work among themselves.',
    )
  if (restarts > 0 && !trainings.includes(command))
    throw unusedArgument('--restarts', `with ${command}, which has no --resume`, restarts)
  if (process.env[libraryVariable] === 'off')
    throw new VideoMaeError(
      `Expected ranks that work together, but ${libraryVariable}=off makes each of the ${ranks} ranks a separate run in the same folder.`,
      {
        code: 'INVALID_ARGUMENT',
        exit: 'usage',
        hint: `Unset ${libraryVariable}, or start the command without launch.`,
      },
    )
  await refuseEngineWithoutRanks(args, ranks)
  const program = await launcherFor(mpirun)
  for (let left = restarts; ; left--) {
    // What was saved before the first start is used only where the user says so.
    const again = left < restarts && !args.includes('--resume') ? ['--resume'] : []
    const end = await runRanks(program, ranks, [...args, ...again])
    if (left === 0 || !endedByMachine(end)) return report(end)
    process.stderr.write(
      `videomae: ranks ended (${describeEnd(end)}); they start again with --resume, ${left === 1 ? 'for the last time' : `${left} restarts are left`}\n`,
    )
  }
}

const trainings: readonly string[] = ['pretrain', 'finetune']

/** How all ranks have ended. */
interface RanksEnd {
  /** The exit code that a rank has told; null where none has. */
  readonly told: number | null
  /** Of the launcher, or of the first rank that failed. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Whether somebody asked the ranks to stop. */
  readonly stopped: boolean
  /** Whether somebody asked twice, and did not wait for them to save. */
  readonly quit: boolean
}

/** Whether a rank died or a part of the machine failed, and nobody asked the ranks to stop: what another start may mend. */
function endedByMachine({ told, code, signal, stopped }: RanksEnd): boolean {
  if (stopped) return false
  return told === null ? code !== exitCodes.success || signal !== null : told === exitCodes.environment
}

const describeEnd = ({ told, code, signal }: RanksEnd): string => signal ?? `exit code ${told ?? code}`

/** @throws VideoMaeError `RANK_DIED` */
function report(end: RanksEnd): void {
  if (end.told === null && end.quit) {
    process.exitCode = exitCodes.interrupted
    return
  }
  if (end.told === null && end.code !== exitCodes.success) throw died(describeEnd(end))
  process.exitCode = end.told ?? exitCodes.success
}

async function runRanks(
  program: MpiProgram | typeof withoutMpi,
  ranks: number,
  args: readonly string[],
): Promise<RanksEnd> {
  const folder = makeTemporaryFolder('launch')
  const stopFile = path.join(folder, 'stop')
  try {
    const command = [process.execPath, process.argv[1], ...args]
    const variables = {
      ...process.env,
      [stopFileVariable]: stopFile,
      [launchProcessVariable]: String(process.pid),
    }
    const running =
      program === withoutMpi
        ? startProcesses(command, await localRanks(ranks, variables))
        : startMpi(program, ranks, command, variables)
    const { dispose, quit } = passOn(running, stopFile)
    const { code, signal } = await running.ended.finally(dispose)
    // Launchers mix the code of a rank that ends all with those of the others, which die of it, with a crash perhaps. MPICH also
    // ends with the number of the signal that killed a rank, such as 9, which is an exit code of the program, too.
    return { told: codeOfRank(stopFile), code, signal, stopped: existsSync(stopFile), quit: quit() }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What `--mpirun` names where ranks are to be started without MPI. */
const withoutMpi = 'none'

/** The program that starts ranks; without one NCCL alone connects them, where it is there. */
async function launcherFor(mpirun: string | undefined): Promise<MpiProgram | typeof withoutMpi> {
  if (mpirun === withoutMpi) return withoutMpi
  const program = mpirun === undefined ? (await findMpiPrograms())[0] : await mpiProgramOf(mpirun)
  if (program !== undefined && program !== null) return program
  if (mpirun === undefined && findNccl() !== null) return withoutMpi
  throw missing(mpirun)
}

function startMpi(program: MpiProgram, ranks: number, command: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(program.path, [...launchFlags(program, ranks), ...command], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // In a session of its own: a terminal would send Ctrl-C to the launcher, too, which kills the ranks at once.
    detached: true,
    env: { ...env, ...libraryBeside(program) },
  })
  return {
    ended: once(child, 'close').then(([code, signal]) => ({ code, signal })),
    kill: (signal) => void child.kill(signal),
  }
}

/** What the launcher is told before the command. */
export function launchFlags(
  { kind }: MpiProgram,
  ranks: number,
  root: boolean = process.getuid?.() === 0,
): readonly string[] {
  const count = ['-np', String(ranks)]
  // Without a cluster's launcher, also inside of a job of Slurm.
  if (kind === 'MPICH') return ['-launcher', 'fork', ...count]
  // Open MPI ties each of two ranks to one core, counts cores as slots for ranks, and refuses root.
  const flags = ['--map-by', 'slot:OVERSUBSCRIBE', '--bind-to', 'none']
  return [...(root ? ['--allow-run-as-root'] : []), ...flags, ...count]
}

/** The library of a launcher that is not where the system looks for libraries, as a variable for the ranks. */
function libraryBeside({ path: program, kind }: MpiProgram): Readonly<Record<string, string>> {
  if (process.env[libraryVariable] !== undefined) return {}
  const prefix = path.dirname(path.dirname(realpathSync(program)))
  if (prefix === '/usr') return {}
  const names = kind === 'Open MPI' ? ['libmpi.so.40', 'libmpi.so.80'] : ['libmpich.so.12', 'libmpi.so.12']
  const files = ['lib', 'lib64'].flatMap((folder) => names.map((name) => path.join(prefix, folder, name)))
  const found = files.find((file) => existsSync(file))
  return found === undefined ? {} : { [libraryVariable]: found }
}

/** Lets the ranks save at the first signal, and ends them at the second. */
function passOn(running: Running, stopFile: string): { dispose(): void; quit(): boolean } {
  let [asked, twice] = [false, false]
  const onSignal = (): void => {
    if (!asked) writeFileSync(stopFile, '')
    else {
      twice = true
      running.kill('SIGTERM')
      setTimeout(() => running.kill('SIGKILL'), endLimit).unref()
    }
    asked = true
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, onSignal)
  const dispose = (): void => {
    for (const name of signals) process.off(name, onSignal)
  }
  return { dispose, quit: () => twice }
}

function missing(mpirun: string | undefined): VideoMaeError {
  const expected = mpirun === undefined ? 'an MPI launcher on PATH (mpirun, mpiexec)' : `the MPI launcher ${mpirun}`
  return new VideoMaeError(`Expected ${expected}, but found none.`, {
    code: 'LAUNCHER_MISSING',
    exit: 'environment',
    hint: 'Install openmpi-bin or mpich (Debian, Ubuntu), load the module of the cluster, or name the program with --mpirun. If each rank has a GPU, NCCL alone is enough (package libnccl2).',
  })
}

function died(how: string): VideoMaeError {
  return new VideoMaeError(
    `Expected all ranks to end with an exit code of the command, but one was killed or crashed (${how}), which ended all of them.`,
    {
      code: 'RANK_DIED',
      exit: 'environment',
      hint: 'The lines above may name the rank. If memory ran out, `dmesg` says so. Continue from the last checkpoint with --resume.',
    },
  )
}
