/** The binding on libraries that are compiled here: they take the handles of one ABI and no others. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { compiledEntry } from '../../src/core/entry.ts'
import { MpiLibrary } from '../../src/distributed/mpi/library.ts'
import { valuesOf } from '../../src/distributed/reducer.ts'
import { fakeMpi, hasCompiler } from './fake-mpi.ts'

describe.skipIf(!hasCompiler)('a library of', () => {
  test.each([
    ['standard', ['-DSTANDARD']],
    ['Open MPI', []],
  ] as const)('%s handles is called with them', (abi, flags) => {
    const mpi = new MpiLibrary(fakeMpi('-DTHREADS=2', ...flags))
    expect(mpi.abi.name).toBe(abi)
    expect(mpi.version).toBe('Fake MPI 1.0')
    mpi.initialize()
    expect([mpi.rank, mpi.size]).toEqual([1, 2])
    expect(mpi.arrive()).toBe(true)
    const floats = Float32Array.of(1, 2, 3)
    const doubles = Float64Array.of(0.5, -1)
    for (const { address, type, count } of [valuesOf(floats), valuesOf(doubles)]) mpi.allReduce(address, type, count)
    expect([...floats, ...doubles]).toEqual([2, 4, 6, 1, -2])
    mpi.allReduce(valuesOf(doubles).address, 'float64', 2, 'max')
    expect([...doubles]).toEqual([1, -2])
    const all = new Uint8Array(6)
    mpi.allGather(Uint8Array.of(1, 2, 3), all)
    expect([...all]).toEqual([1, 2, 3, 1, 2, 3])
    mpi.broadcast(valuesOf(floats).address, 12, 0)
    expect([...new Uint8Array(floats.buffer)]).toEqual(new Array(12).fill(7))
    // What the library reports becomes an error with its words.
    expect(() => mpi.broadcast(valuesOf(floats).address, 12, 1)).toThrow(
      expect.objectContaining({ code: 'COMMUNICATION_FAILED', message: expect.stringContaining('a foreign handle') }),
    )
    mpi.finalize()
  })

  /** A process that joins the ranks and leaves them, as rank 1 of 2. */
  function comeAndGo(flag: string, variables: Readonly<Record<string, string>> = {}) {
    const entry = compiledEntry(
      new URL('../../src/distributed/thread-communicator.ts', import.meta.url).href,
      './open-communicator',
    )
    const program = `
      import { openCommunicator } from ${JSON.stringify(entry.href)}
      const communicator = await openCommunicator()
      await communicator.close()
      console.log('closed')
      process.exitCode = 3`
    const library = fakeMpi('-DTHREADS=2', flag)
    const file = path.join(path.dirname(library), 'leaves.mjs')
    writeFileSync(file, program)
    const ranks = { OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_RANK: '1', ...variables }
    return spawnSync(process.execPath, [file], {
      env: { ...process.env, VIDEOMAE_MPI: library, ...ranks },
      encoding: 'utf8',
      timeout: 120_000,
    })
  }

  test('a library that does not let go of the ranks holds none: the process ends in order, with its own exit code', () => {
    const { status, stdout, stderr } = comeAndGo('-DHELD')
    expect([status, stdout], stderr).toEqual([3, 'closed\n'])
  })

  test('a library that waits for ranks that do not come is left in time, by a rank that says that it is there', () => {
    const { status, stderr } = comeAndGo('-DALONE', { VIDEOMAE_MPI_TIMEOUT: '1' })
    expect(status, stderr).toBe(4)
    const [notice, error] = stderr.split('\n')
    expect(notice).toMatch(/^videomae: rank 1 of 2 on \S+ has started and waits for the others$/)
    expect(error).toMatch(
      /Expected all 2 ranks to start within 1 s, but rank 1 of 2 on \S+ still waits .* \[RANKS_MISSING\]/,
    )
  })

  test('one thread is refused', () => {
    const mpi = new MpiLibrary(fakeMpi('-DTHREADS=0'))
    expect(() => mpi.initialize()).toThrow(expect.objectContaining({ code: 'MPI_UNAVAILABLE' }))
  })

  test('a file that is no MPI library is refused', () => {
    expect(() => new MpiLibrary('libc.so.6')).toThrow(expect.objectContaining({ code: 'MPI_UNAVAILABLE' }))
  })
})
