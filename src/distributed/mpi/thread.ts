/** Entry of the thread that MPI is started, used and ended in. */
import { parentPort, workerData } from 'node:worker_threads'
import koffi from 'koffi'
import { VideoMaeError } from '../../core/errors.ts'
import { type Collectives, serveCollectives } from '../serve-collectives.ts'
import type { EndRequest } from '../thread-protocol.ts'
import { MpiLibrary } from './library.ts'

/** What the thread starts with. */
export interface MpiStart {
  /** Libraries to try, in order. */
  readonly libraries: readonly string[]
}

if (parentPort === null) throw new Error('This file is the entry of a worker thread.')
const { libraries, ending } = workerData as MpiStart & { readonly ending: EndRequest }

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
      hint: 'Install the MPI that starts the run (Debian and Ubuntu: openmpi-bin or mpich), or name its library in VIDEOMAE_MPI. `videomae doctor` lists what is installed.',
    },
  )
}

function collectivesOf(library: MpiLibrary): Collectives {
  const { rank, size } = library
  return {
    rank,
    size,
    arrive: (interrupted) => library.arrive(interrupted),
    allReduce(values, operation) {
      const type = values instanceof Float32Array ? 'float32' : 'float64'
      library.allReduce(koffi.address(values), type, values.length, operation)
    },
    broadcast: (bytes, root) => library.broadcast(koffi.address(bytes), bytes.length, root),
    allGather: (from, to) => library.allGather(from, to),
    abort: (exitCode) => library.abort(exitCode),
    finalize: () => library.finalize(),
  }
}

serveCollectives(parentPort, ending, () => {
  const library = load()
  library.initialize()
  const { path, version, rank, size } = library
  return { collectives: collectivesOf(library), started: { path, version, rank, size } }
})
