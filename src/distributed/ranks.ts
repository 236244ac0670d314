import { hostname, networkInterfaces } from 'node:os'
import { type ExitKind, VideoMaeError } from '../core/errors.ts'
import { type Communicator, type Json, selfCommunicator } from './communicator.ts'

/** A rank as the others know it. */
export interface RankProcess {
  readonly host: string
  /** Of the host in its network; null where it has none. */
  readonly address: string | null
  readonly process: number
}

/** This process. The first address is that of the interface that the system lists first, which need not be the one that the library takes. */
function ownProcess(): RankProcess {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const outer = addresses.filter(({ internal }) => !internal)
  const found = outer.find(({ family }) => family === 'IPv4') ?? outer[0]
  return { host: hostname(), address: found?.address ?? null, process: process.pid }
}

/**
 * What the ranks of a run decide together. Methods that are promises are collective, as those of `Communicator`. In a run of one
 * process each does its part alone.
 */
export class Ranks {
  readonly communicator: Communicator
  /** By rank. */
  readonly processes: readonly RankProcess[]
  /** Errors that all ranks have thrown: one of them reports it. */
  private readonly common = new WeakSet<object>()

  private constructor(communicator: Communicator, processes: readonly RankProcess[]) {
    this.communicator = communicator
    this.processes = processes
  }

  /** A run in one process. */
  static alone(): Ranks {
    return new Ranks(selfCommunicator(), [ownProcess()])
  }

  /** Makes the ranks known to each other. */
  static async meet(communicator: Communicator): Promise<Ranks> {
    const processes = await communicator.gather({ ...ownProcess() })
    const ranks = new Ranks(communicator, processes as unknown as RankProcess[])
    const others = [...processes.keys()].filter((rank) => rank !== communicator.rank)
    const shown = others.slice(0, 16).map((rank) => `rank ${rank} on ${ranks.processes[rank].host}`)
    communicator.nameOthers(shown.join(', ') + (others.length > 16 ? `, and ${others.length - 16} more` : ''))
    return ranks
  }

  get rank(): number {
    return this.communicator.rank
  }

  get size(): number {
    return this.communicator.size
  }

  /** Ranks on the machine of this one. */
  get onThisHost(): number {
    const { host } = this.processes[this.rank]
    return this.processes.filter((each) => each.host === host).length
  }

  /** Indices, of a list of so many items, that this rank works on: one in `size`. */
  own(count: number): number[] {
    const indices: number[] = []
    for (let index = this.rank; index < count; index += this.size) indices.push(index)
    return indices
  }

  /** `rank 1 of 2 on node7`. */
  name(rank = this.rank): string {
    return `rank ${rank} of ${this.size} on ${this.processes[rank].host}`
  }

  /**
   * Does work on every rank. Where it fails on any of them, all throw, so that none waits for one that is gone: the error itself
   * where all have the same one, else that of the first rank that has one, with its name.
   */
  async agree<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.size === 1) return work()
    const outcome = await settled(work)
    const posted = 'error' in outcome ? post(outcome.error) : null
    const all = (await this.communicator.gather(posted as unknown as Json)) as unknown as (PostedFailure | null)[]
    const failed = all.findIndex((failure) => failure !== null)
    if (failed < 0) return (outcome as { readonly value: T }).value
    const failure = all[failed] as PostedFailure
    const same = all.every((other) => other?.message === failure.message)
    const mine = 'error' in outcome ? outcome.error : undefined
    throw this.commonly(revive(failure, same ? null : this.name(failed), mine))
  }

  /**
   * `agree` for work that may take any time, and longer on one rank than on another: the ranks send each other signs of life.
   *
   * @param signal a rank that it stops ends all of them, and waits for none
   * @throws the error that `agree` throws; on a rank that fails while others have more to do, its own error at once
   */
  async workTogether<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.size === 1) return work()
    const task = settled(work)
    for (let waited = 0; ; ) {
      const outcome = await within(task, signOfLife)
      if (outcome !== null) signal?.throwIfAborted()
      const working = (await this.numbers(outcome === null ? 1 : 0)).some((each) => each !== 0)
      if (outcome === null) continue
      if (!working)
        return this.agree(() => {
          if ('error' in outcome) throw outcome.error
          return outcome.value
        })
      if ('error' in outcome && ++waited === signsToFail) throw outcome.error
    }
  }

  /** The value of rank 0, on every rank; what others pass is not used. */
  async fromFirst<T>(value: T): Promise<T> {
    if (this.size === 1) return value
    const all = await this.communicator.gather((this.rank === 0 ? value : null) as Json)
    return all[0] as T
  }

  /** The lists of all ranks, one behind the other. */
  async collect<T>(list: readonly T[]): Promise<T[]> {
    if (this.size === 1) return [...list]
    const own = Float64Array.of(list.length)
    await this.communicator.allReduce(own, 'max')
    if (own[0] === 0) return []
    return (await this.communicator.gather(list as unknown as Json)).flat() as T[]
  }

  /** A number of every rank, by rank. */
  async numbers(value: number): Promise<Float64Array> {
    const all = new Float64Array(this.size)
    all[this.rank] = value
    await this.communicator.allReduce(all)
    return all
  }

  /**
   * Refuses ranks that would compute something else than rank 0.
   *
   * @param facts what has to be the same everywhere, by name
   * @throws VideoMaeError `RANKS_DIFFER`, on all ranks
   */
  async requireSame(facts: Readonly<Record<string, string>>): Promise<void> {
    if (this.size === 1) return
    const all = (await this.communicator.gather(facts)) as Readonly<Record<string, string>>[]
    const lines = all.flatMap((other, rank) =>
      Object.entries(all[0])
        .filter(([name, value]) => other[name] !== value)
        .map(
          ([name, value]) =>
            `  ${name}: ${value} on rank 0 (${this.processes[0].host}), ${other[name]} on ${this.name(rank)}`,
        ),
    )
    if (lines.length === 0) return
    throw this.commonly(
      new VideoMaeError(`Expected all ranks to do the same work, but this differs:\n${lines.join('\n')}`, {
        code: 'RANKS_DIFFER',
        exit: 'environment',
        hint: 'Start the same version with the same data on every machine. Different processors compute different numbers: set VIDEOMAE_NATIVE_LEVEL to a level that all of them have.',
      }),
    )
  }

  /** Marks an error that every rank throws at the same point. */
  commonly<E extends object>(error: E): E {
    if (this.size > 1) this.common.add(error)
    return error
  }

  isCommon(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.common.has(error)
  }
}

interface PostedFailure {
  readonly message: string
  readonly code: string
  readonly exit: ExitKind
  readonly hint: string | null
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

/** Milliseconds between two signs of life. */
const signOfLife = 2000
/** Signs that a rank that has failed waits for: the others may have the same error, which is told once. */
const signsToFail = 3

/** The value of a promise, or null where it takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, milliseconds, null)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function settled<T>(work: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

function post(error: unknown): PostedFailure {
  if (error instanceof VideoMaeError) {
    const { message, code, exit, hint = null } = error
    return { message, code, exit, hint }
  }
  return { message: String(error), code: 'RANK_FAILED', exit: 'internal', hint: null }
}

/** @param cause the error as it was thrown here */
function revive({ message, code, exit, hint }: PostedFailure, where: string | null, cause: unknown): VideoMaeError {
  if (where === null && cause instanceof VideoMaeError) return cause
  const text = where === null ? message : `${where[0].toUpperCase()}${where.slice(1)}: ${message}`
  return new VideoMaeError(text, { code, exit, hint: hint ?? undefined, cause })
}
