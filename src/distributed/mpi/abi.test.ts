/** Oracles: mpi.h of MPICH 4, of Open MPI 4, and of the MPI 5.0 ABI. */
import { describe, expect, test } from 'vitest'
import { abiOf } from './abi.ts'

const none = { standardVersion: () => null, symbol: () => null }

describe('abiOf', () => {
  test('takes Open MPI by the addresses of its variables', () => {
    const addresses = new Map([
      ['ompi_mpi_comm_world', 0x1000n],
      ['ompi_mpi_float', 0x2000n],
      ['ompi_mpi_op_sum', 0x3000n],
    ])
    const abi = abiOf({ ...none, symbol: (name) => addresses.get(name) ?? null })
    expect(abi).toMatchObject({ name: 'Open MPI', handle: 'uint64', world: 0x1000n, inPlace: 1n, statusIgnore: 0n })
    expect(abi.types.float32).toBe(0x2000n)
    expect(abi.operations.sum).toBe(0x3000n)
  })

  test('takes the standard ABI by its version, also of a library that has symbols of Open MPI', () => {
    const abi = abiOf({ standardVersion: () => 1, symbol: () => 0x1000n })
    expect(abi).toMatchObject({ name: 'standard', handle: 'uint64', world: 0x101n, inPlace: 1n })
    expect(abi.types).toEqual({ float32: 0x210n, float64: 0x214n, byte: 0x247n })
    expect(abi.operations).toEqual({ sum: 0x21n, max: 0x23n, min: 0x22n })
  })

  test('takes anything else for MPICH, also where the function exists and gives no version', () => {
    const abi = abiOf({ ...none, standardVersion: () => -1 })
    expect(abi).toMatchObject({ name: 'MPICH', handle: 'int32', world: 0x44000000n, statusIgnore: 1n })
    expect(abi.types).toEqual({ float32: 0x4c00040an, float64: 0x4c00080bn, byte: 0x4c00010dn })
    expect(abi.operations).toEqual({ sum: 0x58000003n, max: 0x58000001n, min: 0x58000002n })
    expect(BigInt.asIntN(64, abi.inPlace)).toBe(-1n)
  })
})
