/** Starts the ranks of one machine without MPI, the way torchrun does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../distributed/free-port.ts'

/** Ranks that have been started. */
export interface Running {
  /** Of the launcher, or of the first rank that failed. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  kill(signal: NodeJS.Signals): void
}

/** Milliseconds in which ranks end that hear of the end of another. */
const endLimit = 5000

/** The environments of all ranks, which meet at a free port of this machine. */
export async function localRanks(ranks: number, variables: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv[]> {
  const port = await freePort()
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...rest } = variables
  return Array.from({ length: ranks }, (_, rank) => ({
    ...rest,
    RANK: String(rank),
    LOCAL_RANK: String(rank),
    WORLD_SIZE: String(ranks),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
  }))
}

/** One process for each environment. Once one has failed, the others have to end, too. */
export function startProcesses(
  [program, ...args]: readonly string[],
  environments: readonly NodeJS.ProcessEnv[],
): Running {
  const children = environments.map((env) =>
    // In sessions of their own: a terminal would send Ctrl-C to all ranks.
    spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true, env }),
  )
  const kill = (signal: NodeJS.Signals): void => {
    for (const child of children) child.kill(signal)
  }
  let timer: NodeJS.Timeout | undefined
  let failed: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null = null
  const ends = children.map(async (child) => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (code === 0) return
    failed ??= { code, signal }
    timer ??= setTimeout(() => kill('SIGKILL'), endLimit)
  })
  const ended = Promise.all(ends).then(() => {
    clearTimeout(timer)
    return failed ?? { code: 0, signal: null }
  })
  return { ended, kill }
}
