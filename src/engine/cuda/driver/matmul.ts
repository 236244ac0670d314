import type { MatmulOperands, MatmulShape, PreparedMatmul, Stream } from '../device.ts'
import { type CublasLtLibrary, cublasLt } from './cublaslt-library.ts'

/** Recommended for Hopper in the library's manual; other GPUs use what they need of it. */
export const matmulWorkspaceBytes = 32 << 20

/** Algorithms as the library returns them: the opaque structure and the workspace it needs. */
export interface Algorithm {
  readonly bytes: Buffer
  readonly workspace: bigint
}

const dataType = (type: 'float32' | 'bfloat16'): number =>
  type === 'float32' ? cublasLt.real32F : cublasLt.realBfloat16

/**
 * A product's descriptors. The library is column-major, so what it computes is D^T = op(B)^T op(A)^T: its left matrix
 * is our B, its right one our A, and a row-major matrix is the transposed one without moving anything.
 */
export class MatmulPlan {
  readonly shape: MatmulShape
  private readonly library: CublasLtLibrary
  private readonly handle: bigint
  private readonly label: string
  private readonly descriptor: bigint
  private readonly left: bigint
  private readonly right: bigint
  private readonly result: bigint
  private readonly one = new Float32Array([1])
  private readonly addendFactor: Float32Array

  constructor(library: CublasLtLibrary, handle: bigint, shape: MatmulShape, label: string) {
    this.library = library
    this.handle = handle
    this.shape = shape
    this.label = label
    this.addendFactor = new Float32Array([shape.addend ? 1 : 0])
    const { rows, columns, inner, transposeA, transposeB } = shape
    this.descriptor = library.handle('cublasLtMatmulDescCreate', label, cublasLt.compute32F, cublasLt.real32F)
    const { plain, transposed } = cublasLt.operation
    this.set(cublasLt.descriptor.transposeA, new Int32Array([transposeB ? transposed : plain]))
    this.set(cublasLt.descriptor.transposeB, new Int32Array([transposeA ? transposed : plain]))
    this.set(cublasLt.descriptor.epilogue, new Int32Array([cublasLt.epilogue[shape.epilogue]]))
    // The search for algorithms looks at how pointers are aligned: stand-ins until `bind` knows the real ones.
    const somewhere = new BigUint64Array([256n])
    if (shape.epilogue === 'bias' || shape.epilogue === 'biasGelu' || shape.epilogue === 'rowSums') {
      this.set(cublasLt.descriptor.bias, somewhere)
    }
    if (shape.epilogue === 'gelu' || shape.epilogue === 'biasGelu' || shape.epilogue === 'geluGradient') {
      this.set(cublasLt.descriptor.auxiliary, somewhere)
      this.set(cublasLt.descriptor.auxiliaryStride, new BigInt64Array([BigInt(columns)]))
    }
    this.left = this.layout(shape.input, transposeB ? inner : columns, transposeB ? columns : inner)
    this.right = this.layout(shape.input, transposeA ? rows : inner, transposeA ? inner : rows)
    this.result = this.layout(shape.output, columns, rows)
  }

  private set(attribute: number, value: Int32Array | BigInt64Array | BigUint64Array): void {
    const values = [this.descriptor, attribute, value, value.byteLength]
    this.library.call('cublasLtMatmulDescSetAttribute', this.label, ...values)
  }

  private layout(type: 'float32' | 'bfloat16', rows: number, columns: number): bigint {
    return this.library.handle('cublasLtMatrixLayoutCreate', this.label, dataType(type), rows, columns, rows)
  }

  /** What the library proposes, best guess first; empty where it has nothing for this shape and epilogue. */
  candidates(count: number): Algorithm[] {
    const { library } = this
    const preference = library.handle('cublasLtMatmulPreferenceCreate', this.label)
    try {
      const limit = new BigUint64Array([BigInt(matmulWorkspaceBytes)])
      const attribute = cublasLt.preference.workspaceBytes
      library.call('cublasLtMatmulPreferenceSetAttribute', this.label, preference, attribute, limit, limit.byteLength)
      const results = Buffer.allocUnsafeSlow(cublasLt.resultBytes * count)
      const found = new Int32Array(1)
      const layouts = [this.left, this.right, this.result, this.result]
      const query = [this.handle, this.descriptor, ...layouts, preference, count, results, found]
      if (library.status('cublasLtMatmulAlgoGetHeuristic', ...query) !== 0) return []
      return Array.from({ length: found[0] }, (_, i) => i * cublasLt.resultBytes)
        .filter((at) => results.readInt32LE(at + cublasLt.algorithmBytes + 8) === 0)
        .map((at) => ({
          bytes: Buffer.from(results.subarray(at, at + cublasLt.algorithmBytes)),
          workspace: results.readBigUInt64LE(at + cublasLt.algorithmBytes),
        }))
    } finally {
      library.call('cublasLtMatmulPreferenceDestroy', this.label, preference)
    }
  }

  /** Sets the addresses that live in the descriptor, then returns a product over the others. */
  bind(operands: MatmulOperands, algorithm: Algorithm, workspace: bigint): PreparedMatmul {
    if (operands.bias !== null) this.set(cublasLt.descriptor.bias, new BigUint64Array([operands.bias]))
    if (operands.auxiliary !== null) {
      this.set(cublasLt.descriptor.auxiliary, new BigUint64Array([operands.auxiliary]))
    }
    const { library, handle, descriptor, left, right, result, label } = this
    const [one, addendFactor] = [this.one, this.addendFactor]
    const algorithmBytes = Buffer.allocUnsafeSlow(cublasLt.algorithmBytes)
    algorithm.bytes.copy(algorithmBytes)
    const { a, b, d, addend } = operands
    return {
      run(stream: Stream): void {
        library.call(
          ...(['cublasLtMatmul', label, handle, descriptor, one, b, left, a, right, addendFactor] as const),
          ...[addend ?? d, result, d, result, algorithmBytes, workspace, matmulWorkspaceBytes, stream.handle],
        )
      },
      free: () => this.free(),
    }
  }

  free(): void {
    for (const layout of [this.left, this.right, this.result]) {
      this.library.status('cublasLtMatrixLayoutDestroy', layout)
    }
    this.library.status('cublasLtMatmulDescDestroy', this.descriptor)
  }
}
