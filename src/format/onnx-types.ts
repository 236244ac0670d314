/**
 * The part of ONNX's ModelProto that we write and read, as plain objects. Field meanings are those of the ONNX
 * specification (docs/IR.md of the onnx project).
 */

/** Element types with their number in TensorProto.DataType and their width in bytes. */
export const onnxTypes = {
  float32: { id: 1, bytes: 4 },
  uint8: { id: 2, bytes: 1 },
  int8: { id: 3, bytes: 1 },
  int32: { id: 6, bytes: 4 },
  int64: { id: 7, bytes: 8 },
  bool: { id: 9, bytes: 1 },
  float16: { id: 10, bytes: 2 },
  float64: { id: 11, bytes: 8 },
} as const
export type OnnxTensorType = keyof typeof onnxTypes

/** float16 holds bit patterns in Uint16Array, bool holds 0 or 1 in Uint8Array. */
export type OnnxArray = Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array | Int8Array

/** An input or output: a dimension is a size or the name of a size that is known only when the model runs. */
export interface OnnxValue {
  readonly name: string
  readonly type: OnnxTensorType
  readonly shape: readonly (number | string)[]
}

/** A constant, row-major. */
export interface OnnxTensor {
  readonly type: OnnxTensorType
  readonly shape: readonly number[]
  readonly data: OnnxArray
}

export interface OnnxInitializer extends OnnxTensor {
  readonly name: string
}

export type OnnxAttribute =
  | { readonly int: number | bigint }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly tensor: OnnxTensor }

export interface OnnxNode {
  readonly op: string
  /** Operator set; the standard one when left out, `com.microsoft` for ONNX Runtime's own. */
  readonly domain?: string
  readonly name?: string
  /** Value names; an empty one leaves an optional input out. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** Outputs that are no tensors and come before the others; their types are left to be inferred. */
  readonly otherOutputs?: readonly string[]
  readonly initializers: readonly OnnxInitializer[]
  /** In an order in which every value is made before it is used. */
  readonly nodes: readonly OnnxNode[]
}

export interface OnnxModel {
  /** Version of the format: 8 goes with opset 17, 9 with 19 and 20, 10 with 21. */
  readonly irVersion: number
  /** Operator sets; domain '' is the standard one. */
  readonly opsets: readonly { readonly domain: string; readonly version: number }[]
  readonly producerName?: string
  readonly producerVersion?: string
  /** metadata_props, e.g. mean, std, labels. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly graph: OnnxGraph
}

/** A serialized message, and with it the whole of a model without external data, ends at 2 GiB. */
export const largestMessage = 2 ** 31 - 1

/** Where the data of an initializer is in the file next to the model. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** The typed array that holds a tensor of this type. */
export function arrayOf(type: OnnxTensorType): new (buffer: ArrayBuffer) => OnnxArray {
  switch (type) {
    case 'float32':
      return Float32Array
    case 'float64':
      return Float64Array
    case 'float16':
      return Uint16Array
    case 'int64':
      return BigInt64Array
    case 'int32':
      return Int32Array
    case 'int8':
      return Int8Array
    case 'uint8':
    case 'bool':
      return Uint8Array
  }
}
