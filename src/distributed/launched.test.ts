import { describe, expect, test } from 'vitest'
import { launched, librariesFor, meetingPoint, rankOnHost, refuseHalfSet, type Variables } from './launched.ts'

describe('the variables of a launcher', () => {
  test.each<[string, Variables, ReturnType<typeof launched>]>([
    ['none', {}, null],
    [
      'mpirun of Open MPI',
      { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4', PMIX_RANK: '1' },
      { launcher: 'Open MPI', rank: 1, size: 4 },
    ],
    ['mpiexec of MPICH', { PMI_RANK: '3', PMI_SIZE: '4' }, { launcher: 'MPICH', rank: 3, size: 4 }],
    [
      'srun with --mpi=pmi2',
      { PMI_RANK: '0', PMI_SIZE: '2', SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '2' },
      { launcher: 'MPICH', rank: 0, size: 2 },
    ],
    [
      'srun with --mpi=pmix',
      { PMIX_RANK: '5', SLURM_PROCID: '5', SLURM_STEP_NUM_TASKS: '8' },
      { launcher: 'Slurm', rank: 5, size: 8 },
    ],
    ['PMIx alone', { PMIX_RANK: '2' }, { launcher: 'PMIx', rank: 2, size: null }],
    ['torchrun', { RANK: '1', WORLD_SIZE: '4', LOCAL_RANK: '1' }, { launcher: 'torchrun', rank: 1, size: 4 }],
    [
      'srun that starts ranks with the variables of torchrun',
      { RANK: '1', WORLD_SIZE: '4', MASTER_ADDR: 'a', SLURM_PROCID: '1', SLURM_STEP_NUM_TASKS: '4' },
      { launcher: 'torchrun', rank: 1, size: 4 },
    ],
    [
      'mpirun where a container has a MASTER_ADDR',
      { PMI_RANK: '1', PMI_SIZE: '2', RANK: '0', WORLD_SIZE: '4', MASTER_ADDR: 'a' },
      { launcher: 'MPICH', rank: 1, size: 2 },
    ],
    ['one rank', { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' }, null],
    ['a batch script of Slurm, which is no step', { SLURM_PROCID: '0', SLURM_NTASKS: '8' }, null],
    ['a container that has a world of one', { RANK: '0', WORLD_SIZE: '1', MASTER_ADDR: 'a' }, null],
    ['MPI turned off', { VIDEOMAE_MPI: 'off', PMI_RANK: '0', PMI_SIZE: '2' }, null],
  ])('%s', (_, variables, expected) => {
    expect(launched(variables)).toEqual(expected)
  })

  const torchrun = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'node1', MASTER_PORT: '29500' }

  test('of torchrun say where the ranks meet: next to the store of torchrun, where that has the port', () => {
    const location = { rank: 1, size: 2, host: 'node1', port: 29500 }
    expect(meetingPoint(torchrun)).toEqual(location)
    expect(meetingPoint({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'True' })).toEqual({ ...location, port: 29501 })
    expect(meetingPoint({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'False' })).toEqual(location)
  })

  test.each([
    [{ MASTER_ADDR: undefined }, 'the host of rank 0 in the variable MASTER_ADDR but received nothing'],
    [{ MASTER_PORT: '0' }, 'from 1 to 65535 in the variable MASTER_PORT but received "0"'],
    [{ RANK: '2' }, 'from 0 to 1 in the variable RANK but received "2"'],
  ])('of torchrun are complete: %o', (change, message) => {
    expect(() => meetingPoint({ ...torchrun, ...change })).toThrow(message)
  })

  test('say which of the ranks of a machine this is', () => {
    const local = [
      { OMPI_COMM_WORLD_LOCAL_RANK: '3' },
      { MPI_LOCALRANKID: '1' },
      { LOCAL_RANK: '4', SLURM_LOCALID: '2' },
      {},
    ]
    expect(local.map(rankOnHost)).toEqual([3, 1, 4, 0])
  })

  test('choose the library, unless one is named', () => {
    expect(librariesFor('Open MPI', {})[0]).toBe('libmpi.so.40')
    expect(librariesFor('MPICH', {})).toContain('libmpi.so.12')
    expect(librariesFor('MPICH', { VIDEOMAE_MPI: '/opt/mpi/lib/libmpi.so' })).toEqual(['/opt/mpi/lib/libmpi.so'])
  })
})

describe('variables of which one is missing', () => {
  test.each([
    ['RANK', { WORLD_SIZE: '2' }],
    ['RANK', { WORLD_SIZE: '2', RANK: 'first', MASTER_ADDR: 'a' }],
    ['WORLD_SIZE', { WORLD_SIZE: 'two', RANK: '0' }],
  ])('are refused, for each process would write the same files: %s', (name, variables) => {
    expect(() => refuseHalfSet(variables)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`variable ${name} `) }),
    )
  })

  test.each([
    {},
    { RANK: '0' },
    { WORLD_SIZE: '' },
    { WORLD_SIZE: '1' },
    { WORLD_SIZE: '2', VIDEOMAE_MPI: 'off' },
    { WORLD_SIZE: '2', RANK: '1' },
    { WORLD_SIZE: '2', OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' },
  ])('are none: %o', (variables) => {
    expect(() => refuseHalfSet(variables)).not.toThrow()
  })
})
