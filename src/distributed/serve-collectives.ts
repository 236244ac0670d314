/** The thread that collective calls are made in: they block, and the main thread must go on. */
import type { MessagePort } from 'node:worker_threads'
import { VideoMaeError } from '../core/errors.ts'
import type { ReduceOperation } from './communicator.ts'
import type {
  CollectiveRequest,
  CollectiveResult,
  EndRequest,
  PostedFailure,
  PostedRequest,
  Started,
  ThreadReply,
} from './thread-protocol.ts'

/** A library that has joined the ranks. Calls block, and their arrays are not empty. */
export interface Collectives {
  readonly rank: number
  readonly size: number
  /**
   * Waits until all ranks have called it.
   *
   * @param interrupted looked at between pauses; the wait ends where it is true
   * @returns whether all are there
   */
  arrive(interrupted: () => boolean): boolean
  /** Replaces the values by what they are over all ranks. */
  allReduce(values: Float32Array | Float64Array, operation: ReduceOperation): void
  /** Replaces the bytes by those of the rank `root`. */
  broadcast(bytes: Uint8Array, root: number): void
  /** `from` of every rank, one behind the other, into `to`. */
  allGather(from: Uint8Array, to: Uint8Array): void
  /** Ends all ranks, as far as the library can. */
  abort(exitCode: number): void
  finalize(): void
}

export interface Joined {
  readonly collectives: Collectives
  readonly started: Started
}

/**
 * Joins the ranks, says so, and serves what the main thread posts.
 *
 * @param join blocks until all ranks have called it
 */
export function serveCollectives(port: MessagePort, ending: EndRequest, join: () => Joined): void {
  let library: Collectives | null = null
  const answer = (number: number, work: () => CollectiveResult | Started): void => {
    port.postMessage(replyOf(number, work))
  }
  answer(0, () => {
    const { collectives, started } = join()
    library = collectives
    return started
  })
  port.on('message', (posted: PostedRequest | 'end') => {
    if (library === null) return
    const joined = library
    if (posted === 'end') endIfAsked(joined, ending)
    else answer(posted.number, () => serve(joined, posted.request, ending))
  })
}

function serve(library: Collectives, request: CollectiveRequest, ending: EndRequest): CollectiveResult {
  const here = library.arrive(() => endIfAsked(library, ending))
  if (!here) return null
  switch (request.call) {
    case 'allReduce':
      if (request.values.length > 0) library.allReduce(request.values, request.operation)
      return request.values
    case 'broadcast':
      if (request.bytes.length > 0) library.broadcast(request.bytes, request.root)
      return request.bytes
    case 'gather':
      return gather(library, request.bytes)
    case 'barrier':
      return null
    case 'close':
      Atomics.store(ending, 2, 1)
      library.finalize()
      return null
  }
}

/** The bytes of all ranks, in messages as long as the longest. */
function gather(library: Collectives, bytes: Uint8Array): Uint8Array[] {
  const { rank, size } = library
  const lengths = new Float64Array(size)
  lengths[rank] = bytes.length
  library.allReduce(lengths, 'sum')
  const longest = Math.max(1, ...lengths)
  const own = new Uint8Array(longest)
  own.set(bytes)
  const all = new Uint8Array(longest * size)
  library.allGather(own, all)
  return [...lengths].map((length, i) => all.slice(i * longest, i * longest + length))
}

/** Ends all ranks where the main thread asks for it; libraries do not return from that. */
function endIfAsked(library: Collectives, ending: EndRequest): boolean {
  if (Atomics.load(ending, 0) === 0) return false
  library.abort(Atomics.load(ending, 1))
  return true
}

function replyOf(number: number, work: () => CollectiveResult | Started): ThreadReply {
  try {
    return { number, result: work() }
  } catch (error) {
    return { number, error: failureOf(error) }
  }
}

function failureOf(thrown: unknown): PostedFailure {
  const error =
    thrown instanceof VideoMaeError
      ? thrown
      : new VideoMaeError(String(thrown), { code: 'COMMUNICATION_FAILED', exit: 'environment' })
  return { message: error.message, code: error.code, hint: error.hint }
}
