/** The programs of MPI that are on this machine, and how they start ranks on it. */
import { spawnSync } from 'node:child_process'

export interface TestLauncher {
  readonly name: string
  readonly program: string
  readonly flags: readonly string[]
}

/** Root is refused otherwise, and ranks may be more than cores. */
const openMpiFlags = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none']

const all: readonly TestLauncher[] = [
  { name: 'Open MPI', program: 'mpirun.openmpi', flags: openMpiFlags },
  { name: 'MPICH', program: 'mpirun.mpich', flags: [] },
]

/** Those that are installed, under the names that Debian gives them; the reason why a test skips the others. */
export const launchers = all.map((launcher) => ({
  ...launcher,
  missing: spawnSync(launcher.program, ['--version']).status === 0 ? null : `${launcher.program} is not installed`,
}))
