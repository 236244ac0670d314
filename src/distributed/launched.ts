/** What the program that started this process says of the run: its variables, by name. */
import { VideoMaeError } from '../core/errors.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** Which MPI a launcher belongs to: its libraries are tried first. */
export type Launcher = 'Open MPI' | 'MPICH' | 'Slurm' | 'PMIx'

export interface Launched {
  readonly launcher: Launcher
  /** Null where the launcher does not say. */
  readonly rank: number | null
  readonly size: number | null
}

/** Names of libraries by who starts them, the likeliest first. They are looked for where the system looks for libraries. */
const libraries: Readonly<Record<Launcher, readonly string[]>> = {
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
 * Whether a launcher of MPI started this process as one of several.
 *
 * @returns null for a run in one process
 * @throws VideoMaeError `LAUNCHER_UNSUPPORTED` for torchrun, which starts processes without MPI
 */
export function launched(variables: Variables): Launched | null {
  if (variables[libraryVariable] === 'off') return null
  const found = byVariables(variables)
  if (found !== null) return found.size === 1 ? null : found
  const world = numberIn(variables.WORLD_SIZE)
  if (world !== null && world > 1 && variables.RANK !== undefined && variables.MASTER_ADDR !== undefined)
    throw new VideoMaeError(
      `Expected a launcher of MPI, but RANK and WORLD_SIZE say that torchrun, or a program like it, starts ${world} processes.`,
      {
        code: 'LAUNCHER_UNSUPPORTED',
        exit: 'usage',
        hint: 'Start with `videomae launch --ranks N -- ...`, `mpirun` or `srun`. Unset WORLD_SIZE for a run in one process.',
      },
    )
  return null
}

function byVariables(variables: Variables): Launched | null {
  const pair = (launcher: Launcher, rank: string, size: string): Launched | null => {
    const value = numberIn(variables[rank])
    return value === null ? null : { launcher, rank: value, size: numberIn(variables[size]) }
  }
  return (
    pair('Open MPI', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE') ??
    pair('MPICH', 'PMI_RANK', 'PMI_SIZE') ??
    // Of a step that srun started; a batch script itself has SLURM_PROCID too, and no such number of tasks.
    (variables.SLURM_STEP_NUM_TASKS === undefined ? null : pair('Slurm', 'SLURM_PROCID', 'SLURM_STEP_NUM_TASKS')) ??
    pair('PMIx', 'PMIX_RANK', '')
  )
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

/** Number of this rank among those of its machine, from 0: Open MPI, MPICH and Intel MPI, MVAPICH, Slurm. 0 where nobody says it. */
export function rankOnHost(variables: Variables): number {
  const { OMPI_COMM_WORLD_LOCAL_RANK, MPI_LOCALRANKID, MV2_COMM_WORLD_LOCAL_RANK, SLURM_LOCALID } = variables
  const values = [OMPI_COMM_WORLD_LOCAL_RANK, MPI_LOCALRANKID, MV2_COMM_WORLD_LOCAL_RANK, SLURM_LOCALID].map(numberIn)
  return values.find((value) => value !== null) ?? 0
}

/** Libraries to try, in order. */
export function librariesFor(launcher: Launcher, variables: Variables): readonly string[] {
  const named = variables[libraryVariable]
  return named === undefined || named === '' ? libraries[launcher] : [named]
}

function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}
