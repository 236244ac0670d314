import { describe, expect, it } from 'vitest'
import { launched, librariesFor, rankOnHost, type Variables } from './launched.ts'

describe('the variables of a launcher', () => {
  it.each<[string, Variables, ReturnType<typeof launched>]>([
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
    ['one rank', { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' }, null],
    ['a batch script of Slurm, which is no step', { SLURM_PROCID: '0', SLURM_NTASKS: '8' }, null],
    ['a container that has a world of one', { RANK: '0', WORLD_SIZE: '1', MASTER_ADDR: 'a' }, null],
    ['MPI turned off', { VIDEOMAE_MPI: 'off', PMI_RANK: '0', PMI_SIZE: '2' }, null],
  ])('%s', (_, variables, expected) => {
    expect(launched(variables)).toEqual(expected)
  })

  it('of torchrun are refused: each process would train for itself', () => {
    expect(() => launched({ RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' })).toThrow(
      expect.objectContaining({ code: 'LAUNCHER_UNSUPPORTED' }),
    )
  })

  it('say which of the ranks of a machine this is', () => {
    const local = [{ OMPI_COMM_WORLD_LOCAL_RANK: '3' }, { MPI_LOCALRANKID: '1' }, { SLURM_LOCALID: '2' }, {}]
    expect(local.map(rankOnHost)).toEqual([3, 1, 2, 0])
  })

  it('choose the library, unless one is named', () => {
    expect(librariesFor('Open MPI', {})[0]).toBe('libmpi.so.40')
    expect(librariesFor('MPICH', {})).toContain('libmpi.so.12')
    expect(librariesFor('MPICH', { VIDEOMAE_MPI: '/opt/mpi/lib/libmpi.so' })).toEqual(['/opt/mpi/lib/libmpi.so'])
  })
})
