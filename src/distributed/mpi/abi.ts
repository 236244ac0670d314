/**
 * What differs between MPI libraries in C: the type of handles and the values of constants.
 *
 * Sources: mpi.h of MPICH 4 (integers), mpi.h of Open MPI 4 (addresses of the library's own variables), and the ABI of MPI 5.0,
 * chapter 20 (small integers in place of pointers).
 */
export const abiNames = ['Open MPI', 'MPICH', 'standard'] as const
export type AbiName = (typeof abiNames)[number]

export interface MpiAbi {
  readonly name: AbiName
  /** C type of a handle, as koffi calls it. */
  readonly handle: 'int32' | 'uint64'
  readonly world: bigint
  readonly errorsReturn: bigint
  readonly types: { readonly float32: bigint; readonly float64: bigint; readonly byte: bigint }
  readonly operations: { readonly sum: bigint; readonly max: bigint; readonly min: bigint }
  /** `MPI_IN_PLACE` and `MPI_STATUS_IGNORE`, as addresses. */
  readonly inPlace: bigint
  readonly statusIgnore: bigint
}

/** What is looked up in the library to tell the ABIs apart. */
export interface AbiQuestions {
  /** Major version that `MPI_Abi_get_version` gives; null where there is no such function, or it gives none. */
  readonly standardVersion: () => number | null
  /** Address of a variable; null where there is none of that name. */
  readonly symbol: (name: string) => bigint | null
}

const mpich: MpiAbi = {
  name: 'MPICH',
  handle: 'int32',
  world: 0x44000000n,
  errorsReturn: 0x54000001n,
  types: { float32: 0x4c00040an, float64: 0x4c00080bn, byte: 0x4c00010dn },
  operations: { sum: 0x58000003n, max: 0x58000001n, min: 0x58000002n },
  inPlace: 0xffffffffffffffffn,
  statusIgnore: 1n,
}

const standard: MpiAbi = {
  name: 'standard',
  handle: 'uint64',
  world: 0x101n,
  errorsReturn: 0x143n,
  types: { float32: 0x210n, float64: 0x214n, byte: 0x247n },
  operations: { sum: 0x21n, max: 0x23n, min: 0x22n },
  inPlace: 1n,
  statusIgnore: 0n,
}

/**
 * The ABI of a library, told as mpi4py tells it: by the version of the standard ABI, else by a symbol of Open MPI; what is left is
 * MPICH and its relatives (Intel MPI, MVAPICH, Cray MPICH).
 */
export function abiOf({ standardVersion, symbol }: AbiQuestions): MpiAbi {
  if ((standardVersion() ?? 0) > 0) return standard
  if (symbol('ompi_mpi_comm_world') === null) return mpich
  const address = (name: string): bigint => symbol(name) ?? 0n
  return {
    name: 'Open MPI',
    handle: 'uint64',
    world: address('ompi_mpi_comm_world'),
    errorsReturn: address('ompi_mpi_errors_return'),
    types: {
      float32: address('ompi_mpi_float'),
      float64: address('ompi_mpi_double'),
      byte: address('ompi_mpi_byte'),
    },
    operations: {
      sum: address('ompi_mpi_op_sum'),
      max: address('ompi_mpi_op_max'),
      min: address('ompi_mpi_op_min'),
    },
    inPlace: 1n,
    statusIgnore: 0n,
  }
}
