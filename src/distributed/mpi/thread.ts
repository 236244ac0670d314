/** Entry of the thread that MPI is started, used and ended in: its calls block, and the main thread must go on. */
import { parentPort, workerData } from 'node:worker_threads'
import koffi from 'koffi'
import { VideoMaeError } from '../../core/errors.ts'
import { MpiLibrary } from './library.ts'
import type { MpiReply, MpiRequest, MpiResult, MpiStart, MpiStarted, PostedFailure, PostedRequest } from './protocol.ts'

const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const { libraries, ending } = workerData as MpiStart

/** The first of the libraries that loads. */
function load(): MpiLibrary {
  const problems: string[] = []
  for (const name of libraries) {
    try {
      return new MpiLibrary(name)
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  throw new VideoMaeError(
    `Expected one of the MPI libraries ${libraries.join(', ')} to load:\n${problems.join('\n')}`,
    {
      code: 'MPI_UNAVAILABLE',
      exit: 'environment',
      hint: 'Install the MPI that starts the run (Debian and Ubuntu: openmpi-bin or mpich), or name its library in VIDEOMAE_MPI. `videomae doctor` lists what is there.',
    },
  )
}

function serve(mpi: MpiLibrary, request: MpiRequest): MpiResult {
  const here = mpi.arrive(() => endIfAsked(mpi))
  if (!here) return null
  switch (request.call) {
    case 'allReduce': {
      const { values, operation } = request
      const type = values instanceof Float32Array ? 'float32' : 'float64'
      if (values.length > 0) mpi.allReduce(koffi.address(values), type, values.length, operation)
      return values
    }
    case 'broadcast':
      if (request.bytes.length > 0) mpi.broadcast(koffi.address(request.bytes), request.bytes.length, request.root)
      return request.bytes
    case 'gather':
      return gather(mpi, request.bytes)
    case 'barrier':
      return null
    case 'close':
      mpi.finalize()
      return null
  }
}

/** The bytes of all ranks, in messages as long as the longest. */
function gather(mpi: MpiLibrary, bytes: Uint8Array): Uint8Array[] {
  const { rank, size } = mpi
  const lengths = new Float64Array(size)
  lengths[rank] = bytes.length
  mpi.allReduce(koffi.address(lengths), 'float64', size)
  const longest = Math.max(1, ...lengths)
  const own = new Uint8Array(longest)
  own.set(bytes)
  const all = new Uint8Array(longest * size)
  mpi.allGather(own, all)
  return [...lengths].map((length, i) => all.slice(i * longest, i * longest + length))
}

/** Ends all ranks where the main thread asks for it; libraries do not return from that. */
function endIfAsked(mpi: MpiLibrary): boolean {
  if (Atomics.load(ending, 0) === 0) return false
  mpi.abort(Atomics.load(ending, 1))
  return true
}

function answer(number: number, work: () => MpiResult | MpiStarted): void {
  let reply: MpiReply
  try {
    reply = { number, result: work() }
  } catch (error) {
    reply = { number, error: failureOf(error) }
  }
  port?.postMessage(reply)
}

function failureOf(thrown: unknown): PostedFailure {
  const error =
    thrown instanceof VideoMaeError
      ? thrown
      : new VideoMaeError(String(thrown), { code: 'COMMUNICATION_FAILED', exit: 'environment' })
  return { message: error.message, code: error.code, hint: error.hint }
}

let mpi: MpiLibrary | null = null
answer(0, () => {
  const loaded = load()
  loaded.initialize()
  mpi = loaded
  return { path: loaded.path, version: loaded.version, abi: loaded.abi.name, rank: loaded.rank, size: loaded.size }
})
port.on('message', (posted: PostedRequest | 'end') => {
  if (mpi === null) return
  if (posted === 'end') endIfAsked(mpi)
  else answer(posted.number, () => serve(mpi as MpiLibrary, posted.request))
})
