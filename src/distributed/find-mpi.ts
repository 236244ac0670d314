/** What of MPI is on this machine: libraries to train with, and programs that start ranks. */
import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { compiledEntry } from '../core/entry.ts'
import { executables } from '../core/executables.ts'
import { allLibraries, libraryVariable, type Variables } from './launched.ts'
import type { AbiName } from './mpi/abi.ts'

const run = promisify(execFile)

/** Milliseconds that a library or a program may take to say what it is. */
const limit = 20_000

export interface FoundMpiLibrary {
  /** As the system finds it, or a path. */
  readonly name: string
  readonly version: string
  readonly abi: AbiName
}

/** The MPI libraries that load here, in the order in which they are tried. Never throws. */
export async function findMpiLibraries(variables: Variables = process.env): Promise<FoundMpiLibrary[]> {
  const named = variables[libraryVariable]
  const names = named === undefined || named === '' || named === 'off' ? allLibraries : [named, ...allLibraries]
  const found = await Promise.all([...new Set(names)].map(probe))
  return found.filter((library) => library !== null)
}

async function probe(name: string): Promise<FoundMpiLibrary | null> {
  try {
    const entry = fileURLToPath(compiledEntry(import.meta.url, './mpi/probe'))
    const { stdout } = await run(process.execPath, [entry, name], { timeout: limit })
    const said = JSON.parse(stdout) as { readonly version?: string; readonly abi?: AbiName }
    return said.version === undefined || said.abi === undefined ? null : { name, version: said.version, abi: said.abi }
  } catch {
    return null
  }
}

export interface MpiProgram {
  readonly path: string
  readonly kind: 'Open MPI' | 'MPICH'
}

/** Names that `mpirun` has where several MPIs are installed. */
const programNames = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec.hydra']

/** The programs on PATH that start ranks, each once. Never throws. */
export async function findMpiPrograms(variables: Variables = process.env): Promise<MpiProgram[]> {
  const files = programNames.flatMap((name) => executables(name, variables.PATH ?? ''))
  const real = new Map(files.toReversed().map((file) => [realpathSync(file), file]))
  const unique = files.filter((file) => real.get(realpathSync(file)) === file)
  const found = await Promise.all(unique.map((file) => mpiProgramOf(file)))
  return found.filter((program) => program !== null)
}

/**
 * What a program that starts ranks is; null where it is neither Open MPI's nor one of MPICH and its relatives.
 *
 * @param name a path, or a name that is looked for on PATH
 */
export async function mpiProgramOf(name: string, variables: Variables = process.env): Promise<MpiProgram | null> {
  const [found] = executables(name, variables.PATH ?? '')
  if (found === undefined) return null
  const file = path.resolve(found)
  const said = await run(file, ['--version'], { timeout: limit }).then(
    ({ stdout }) => stdout,
    () => '',
  )
  if (/Open MPI|OpenRTE|PRTE/i.test(said)) return { path: file, kind: 'Open MPI' }
  return /HYDRA|MPICH|Intel\(R\) MPI/i.test(said) ? { path: file, kind: 'MPICH' } : null
}
