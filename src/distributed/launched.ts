/** What the program that started this process says of the run: its variables, by name. */
import { VideoMaeError } from '../core/errors.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** Which MPI a launcher belongs to: its libraries are tried first. */
export type MpiLauncher = 'Open MPI' | 'MPICH' | 'Slurm' | 'PMIx'
/** torchrun, or a program like it, starts ranks without MPI. */
export type Launcher = MpiLauncher | 'torchrun'

export interface Launched {
  readonly launcher: Launcher
  /** Null where the launcher does not say. */
  readonly rank: number | null
  readonly size: number | null
}

/** Names of libraries by who starts them, the likeliest first. They are looked for where the system looks for libraries. */
const libraries: Readonly<Record<MpiLauncher, readonly string[]>> = {
  'Open MPI': ['libmpi.so.40', 'libmpi.so.80', 'libmpi_abi.so.1'],
  MPICH: ['libmpich.so.12', 'libmpi.so.12', 'libmpi_abi.so.1'],
  Slurm: ['libmpi.so.40', 'libmpi.so.12', 'libmpich.so.12', 'libmpi_abi.so.1'],
  PMIx: ['libmpi.so.40', 'libmpi.so.80', 'libmpi_abi.so.1'],
}

/** All names, for `videomae doctor`. */
export const allLibraries: readonly string[] = [...new Set(Object.values(libraries).flat())]

/** Where a user says which library, `off` for none. */
export const libraryVariable = 'VIDEOMAE_MPI'

/**
 * Whether a launcher started this process as one of several. Variables of MPI count before those of torchrun.
 *
 * @returns null for a run in one process
 */
export function launched(variables: Variables): Launched | null {
  if (variables[libraryVariable] === 'off') return null
  const found = byVariables(variables)
  return found?.size === 1 ? null : found
}

function byVariables(variables: Variables): Launched | null {
  const pair = (launcher: Launcher, rank: string, size: string): Launched | null => {
    const value = numberIn(variables[rank])
    return value === null ? null : { launcher, rank: value, size: numberIn(variables[size]) }
  }
  const torchrun = (): Launched | null =>
    numberIn(variables.WORLD_SIZE) === null ? null : pair('torchrun', 'RANK', 'WORLD_SIZE')
  return (
    pair('Open MPI', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE') ??
    pair('MPICH', 'PMI_RANK', 'PMI_SIZE') ??
    // torchrun inside of a step of Slurm, or srun with variables as torchrun sets them.
    (variables.MASTER_ADDR === undefined ? null : torchrun()) ??
    // Of a step that srun started; a batch script itself has SLURM_PROCID too, and no such number of tasks.
    (variables.SLURM_STEP_NUM_TASKS === undefined ? null : pair('Slurm', 'SLURM_PROCID', 'SLURM_STEP_NUM_TASKS')) ??
    pair('PMIx', 'PMIX_RANK', '') ??
    torchrun()
  )
}

/**
 * Refuses variables of torchrun of which one is missing: each process would take itself for the only one, and all would write the same
 * files.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function refuseHalfSet(variables: Variables): void {
  const { WORLD_SIZE: size, RANK: rank } = variables
  if (variables[libraryVariable] === 'off' || byVariables(variables) !== null) return
  if (size === undefined || size === '' || numberIn(size) === 1) return
  if (numberIn(size) === null) throw invalidVariable('WORLD_SIZE', `a whole number from 1 to ${mostRanks}`, size)
  throw invalidVariable('RANK', 'the number of this process', rank)
}

/** Where ranks that torchrun has started find each other. */
export interface MeetingPoint {
  readonly rank: number
  readonly size: number
  /** Of rank 0. */
  readonly host: string
  readonly port: number
}

/**
 * Reads RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.
 *
 * torchrun may serve a store of its own at MASTER_PORT, and says so; the next port is used then.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function meetingPoint(variables: Variables): MeetingPoint {
  const number = (name: string, from: number, to: number): number => {
    const value = numberIn(variables[name])
    if (value !== null && value >= from && value <= to) return value
    throw invalidVariable(name, `a whole number from ${from} to ${to}`, variables[name])
  }
  const size = number('WORLD_SIZE', 1, mostRanks)
  const rank = number('RANK', 0, size - 1)
  const { MASTER_ADDR: host = '', TORCHELASTIC_USE_AGENT_STORE: taken } = variables
  if (host === '') throw invalidVariable('MASTER_ADDR', 'the host of rank 0', variables.MASTER_ADDR)
  const port = number('MASTER_PORT', 1, 65_535)
  if (taken?.toLowerCase() !== 'true') return { rank, size, host, port }
  return { rank, size, host, port: port === 65_535 ? port - 1 : port + 1 }
}

const mostRanks = 65_536

function invalidVariable(name: string, expected: string, value: string | undefined): VideoMaeError {
  const received = value === undefined ? 'nothing' : JSON.stringify(value)
  return new VideoMaeError(`Expected ${expected} in the variable ${name} but received ${received}.`, {
    code: 'INVALID_ARGUMENT',
    exit: 'usage',
    hint: 'torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Unset WORLD_SIZE for a run in one process.',
  })
}

/**
 * The error of work that knows no ranks: each process would do all of it, and write the same files.
 *
 * @param count processes that a launcher started; null where it does not say
 * @param otherwise what else to do
 */
export function ranksUnsupported(work: string, count: number | null, otherwise: string): VideoMaeError {
  const started = count === null ? 'several processes' : `${count} processes`
  return new VideoMaeError(`Expected one process for ${work}, but a launcher started ${started}.`, {
    code: 'RANKS_UNSUPPORTED',
    exit: 'usage',
    hint: `Start it without mpirun or srun, or ${otherwise}.`,
  })
}

/** Number of this rank among those of its machine, from 0: Open MPI, MPICH and Intel MPI, MVAPICH, torchrun, Slurm. 0 where nobody says it. */
export function rankOnHost(variables: Variables): number {
  const values = localRankVariables.map((name) => numberIn(variables[name]))
  return values.find((value) => value !== null) ?? 0
}

const localRankVariables = [
  'OMPI_COMM_WORLD_LOCAL_RANK',
  'MPI_LOCALRANKID',
  'MV2_COMM_WORLD_LOCAL_RANK',
  'LOCAL_RANK',
  'SLURM_LOCALID',
] as const

/** Libraries to try, in order. */
export function librariesFor(launcher: MpiLauncher, variables: Variables): readonly string[] {
  const named = variables[libraryVariable]
  return named === undefined || named === '' ? libraries[launcher] : [named]
}

function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}
