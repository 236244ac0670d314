import koffi from 'koffi'
import { bindLibrary, type StatusFunction } from './bind.ts'
import { deviceError } from './status.ts'

const pointers = (count: number): string[] => Array.from({ length: count }, () => 'void *')

const signatures = {
  cublasLtCreate: ['void *'],
  cublasLtDestroy: ['uint64_t'],
  cublasLtMatmulDescCreate: ['void *', 'int', 'int'],
  cublasLtMatmulDescDestroy: ['uint64_t'],
  cublasLtMatmulDescSetAttribute: ['uint64_t', 'int', 'void *', 'size_t'],
  cublasLtMatrixLayoutCreate: ['void *', 'int', 'uint64_t', 'uint64_t', 'int64_t'],
  cublasLtMatrixLayoutDestroy: ['uint64_t'],
  cublasLtMatmulPreferenceCreate: ['void *'],
  cublasLtMatmulPreferenceDestroy: ['uint64_t'],
  cublasLtMatmulPreferenceSetAttribute: ['uint64_t', 'int', 'void *', 'size_t'],
  // handle, descriptor, A, B, C, D, preference, wanted, results, found
  cublasLtMatmulAlgoGetHeuristic: [...Array.from({ length: 7 }, () => 'uint64_t'), 'int', ...pointers(2)],
  cublasLtMatmul: [
    ...['uint64_t', 'uint64_t'], // handle, descriptor
    ...['void *', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'], // alpha, A, layout, B, layout
    ...['void *', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'], // beta, C, layout, D, layout
    ...['void *', 'uint64_t', 'size_t', 'uint64_t'], // algorithm, workspace, bytes, stream
  ],
} as const
export type CublasLtFunction = keyof typeof signatures

/** Numbers of cublasLt.h, cublas_api.h and library_types.h; part of the library's stable interface. */
export const cublasLt = {
  compute32F: 68,
  real32F: 0,
  realBfloat16: 14,
  descriptor: { transposeA: 3, transposeB: 4, epilogue: 7, bias: 8, auxiliary: 11, auxiliaryStride: 12 },
  preference: { workspaceBytes: 1 },
  operation: { plain: 0, transposed: 1 },
  epilogue: { none: 1, bias: 4, gelu: 32 | 128, biasGelu: 32 | 128 | 4, geluGradient: 64 | 128, rowSums: 512 },
  /** sizeof(cublasLtMatmulHeuristicResult_t): the algorithm [64], workspace bytes [8], status [4], the rest. */
  resultBytes: 96,
  allocationFailed: 3,
  algorithmBytes: 64,
} as const

/** Matrix products (cuBLASLt), as far as the engine uses it. */
export class CublasLtLibrary {
  private readonly functions: Readonly<Record<CublasLtFunction, StatusFunction>>
  readonly version: string

  /** Throws where the library or one of its functions does not exist. */
  constructor(path: string) {
    this.functions = bindLibrary<CublasLtFunction>(path, signatures)
    this.version = String(koffi.load(path).func('cublasLtGetVersion', 'size_t', [])())
  }

  status(name: CublasLtFunction, ...values: readonly unknown[]): number {
    return this.functions[name](...values)
  }

  call(name: CublasLtFunction, label: string, ...values: readonly unknown[]): void {
    const status = this.functions[name](...values)
    if (status === 0) return
    const failed = { call: name, status: `cuBLAS status ${status}`, detail: 'see cublasStatus_t' }
    throw deviceError({ ...failed, outOfMemory: status === cublasLt.allocationFailed }, { what: label, exact: true })
  }

  handle(name: CublasLtFunction, label: string, ...values: readonly unknown[]): bigint {
    const out = new BigUint64Array(1)
    this.call(name, label, out, ...values)
    return out[0]
  }
}
