import { VideoMaeError } from '../core/errors.ts'
import { valueCount } from './file-bytes.ts'
import { FloatColumn, IntColumn } from './number-column.ts'
import {
  arrayOf,
  type ExternalData,
  type OnnxArray,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxTensorType,
  type OnnxValue,
  onnxTypes,
} from './onnx-types.ts'
import { ProtobufReader } from './protobuf.ts'

/** Fetches the data of an initializer that is in a file next to the model. */
export type ExternalReader = (initializer: string, external: ExternalData) => Uint8Array

/**
 * Read an ONNX model: inputs, outputs, metadata, initializers (copied) and nodes.
 *
 * @param external needed for models with data next to them; `readModel` passes it
 * @throws VideoMaeError `PROTOBUF_INVALID`, `ONNX_INVALID`, `ONNX_UNSUPPORTED` (sub-graphs, sparse tensors, types that are
 *   not in `onnxTypes`)
 */
export function decodeModel(bytes: Uint8Array, external?: ExternalReader): OnnxModel {
  const reader = new ProtobufReader(bytes)
  const opsets: { domain: string; version: number }[] = []
  const metadata: [string, string][] = []
  let irVersion = 0
  let producerName: string | undefined
  let producerVersion: string | undefined
  let graph: OnnxGraph | undefined
  while (reader.next()) {
    if (reader.field === 1) irVersion = reader.int()
    else if (reader.field === 2) producerName = reader.string()
    else if (reader.field === 3) producerVersion = reader.string()
    else if (reader.field === 7) graph = readGraph(reader.message(), external)
    else if (reader.field === 8) opsets.push(readOpset(reader.message()))
    else if (reader.field === 14) metadata.push(readPair(reader.message()))
  }
  if (graph === undefined || irVersion === 0) throw invalid('it has no graph or no format version')
  return { irVersion, opsets, producerName, producerVersion, metadata: Object.fromEntries(metadata), graph }
}

function readGraph(reader: ProtobufReader, external: ExternalReader | undefined): OnnxGraph {
  const nodes: OnnxNode[] = []
  const initializers: OnnxInitializer[] = []
  const inputs: OnnxValue[] = []
  const outputs: OnnxValue[] = []
  let name = ''
  while (reader.next()) {
    if (reader.field === 1) nodes.push(readNode(reader.message()))
    else if (reader.field === 2) name = reader.string()
    else if (reader.field === 5) initializers.push(readTensor(reader.message(), external))
    else if (reader.field === 11) inputs.push(readValue(reader.message()))
    else if (reader.field === 12) outputs.push(readValue(reader.message()))
    else if (reader.field === 15) throw unsupported('a sparse initializer')
  }
  return { name, inputs, outputs, initializers, nodes }
}

function readOpset(reader: ProtobufReader): { domain: string; version: number } {
  let domain = ''
  let version = 0
  while (reader.next()) {
    if (reader.field === 1) domain = reader.string()
    else if (reader.field === 2) version = reader.int()
  }
  return { domain, version }
}

function readPair(reader: ProtobufReader): [string, string] {
  let key = ''
  let value = ''
  while (reader.next()) {
    if (reader.field === 1) key = reader.string()
    else if (reader.field === 2) value = reader.string()
  }
  return [key, value]
}

function readNode(reader: ProtobufReader): OnnxNode {
  const inputs: string[] = []
  const outputs: string[] = []
  const attributes: [string, OnnxAttribute][] = []
  let op = ''
  let domain: string | undefined
  let name: string | undefined
  while (reader.next()) {
    if (reader.field === 1) inputs.push(reader.string())
    else if (reader.field === 2) outputs.push(reader.string())
    else if (reader.field === 3) name = reader.string()
    else if (reader.field === 4) op = reader.string()
    else if (reader.field === 5) attributes.push(readAttribute(reader.message()))
    else if (reader.field === 7) domain = reader.string() || undefined
  }
  return {
    op,
    inputs,
    outputs,
    ...(name === undefined ? {} : { name }),
    ...(domain === undefined ? {} : { domain }),
    ...(attributes.length === 0 ? {} : { attributes: Object.fromEntries(attributes) }),
  }
}

function readAttribute(reader: ProtobufReader): [string, OnnxAttribute] {
  const ints: bigint[] = []
  const floats: number[] = []
  const strings: string[] = []
  let name = ''
  let type = 0
  let float = 0
  let int = 0n
  let string = ''
  let tensor: OnnxTensor | undefined
  while (reader.next()) {
    if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) float = reader.float()
    else if (reader.field === 3) int = reader.bigint()
    else if (reader.field === 4) string = reader.string()
    else if (reader.field === 5) tensor = readTensor(reader.message(), undefined)
    else if (reader.field === 7) reader.appendFloats(floats)
    else if (reader.field === 8) reader.appendInts(ints)
    else if (reader.field === 9) strings.push(reader.string())
    else if (reader.field === 20) type = reader.int()
  }
  if (type === 1) return [name, { float }]
  if (type === 2) return [name, { int: simplest(int) }]
  if (type === 3) return [name, { string }]
  if (type === 4 && tensor) return [name, { tensor: { type: tensor.type, shape: tensor.shape, data: tensor.data } }]
  if (type === 6) return [name, { floats }]
  if (type === 7) return [name, { ints: ints.map(simplest) }]
  if (type === 8) return [name, { strings }]
  throw unsupported(`attribute ${name} of type ${type}`)
}

function simplest(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function readTensor(reader: ProtobufReader, external: ExternalReader | undefined): OnnxInitializer {
  const axes = new IntColumn()
  const float32 = new FloatColumn()
  const int32 = new IntColumn()
  const int64 = new IntColumn()
  const pairs: [string, string][] = []
  let name = ''
  let typeId = 0
  let raw: Uint8Array | undefined
  let outside = false
  while (reader.next()) {
    if (reader.field === 1) reader.appendInts(axes)
    else if (reader.field === 2) typeId = reader.int()
    else if (reader.field === 4) reader.appendFloats(float32)
    else if (reader.field === 5) reader.appendInts(int32)
    else if (reader.field === 7) reader.appendInts(int64)
    else if (reader.field === 8) name = reader.string()
    else if (reader.field === 9) raw = reader.bytes()
    else if (reader.field === 13) pairs.push(readPair(reader.message()))
    else if (reader.field === 14) outside = reader.int() === 1
  }
  const type = typeOf(typeId, `tensor ${JSON.stringify(name)}`)
  const sizes = sizesOf(name, axes)
  if (outside) raw = readOutside(name, pairs, external)
  const data = raw === undefined ? fromFields(type, float32, int32, int64) : fromBytes(name, type, raw)
  if (data.length !== valueCount(sizes)) {
    throw invalid(`tensor ${JSON.stringify(name)} of shape [${sizes.join(', ')}] holds ${data.length} values`)
  }
  return { name, type, shape: sizes, data }
}

/** More than any operator takes; a shape is printed, and products of its sizes are taken. */
const mostAxes = 64

function sizesOf(name: string, axes: IntColumn): number[] {
  const tensor = `tensor ${JSON.stringify(name)}`
  if (axes.length > mostAxes) throw invalid(`${tensor} has ${axes.length} axes, more than ${mostAxes}`)
  const sizes = [...axes.values()].map(Number)
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw invalid(`${tensor} has the impossible shape [${sizes.join(', ')}]`)
  }
  return sizes
}

function readOutside(name: string, pairs: [string, string][], external: ExternalReader | undefined): Uint8Array {
  const fields = new Map(pairs)
  const location = fields.get('location')
  const offset = Number(fields.get('offset') ?? 0)
  const length = Number(fields.get('length') ?? Number.NaN)
  if (location === undefined || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) {
    throw invalid(`tensor ${JSON.stringify(name)} does not name the file of its data`)
  }
  if (!external) throw unsupported(`data of ${name} in another file, ${location}, but only bytes were given`)
  return external(name, { location, offset, length })
}

function fromBytes(name: string, type: OnnxTensorType, raw: Uint8Array): OnnxArray {
  if (raw.length % onnxTypes[type].bytes !== 0) {
    throw invalid(`tensor ${JSON.stringify(name)} of ${type} holds ${raw.length} bytes`)
  }
  return new (arrayOf(type))(Uint8Array.from(raw).buffer)
}

/** Data in the typed fields that other exporters use for small constants. */
function fromFields(type: OnnxTensorType, float32: FloatColumn, int32: IntColumn, int64: IntColumn): OnnxArray {
  switch (type) {
    case 'float32':
      return float32.values()
    case 'int64':
      return int64.values()
    case 'int32':
      return Int32Array.from(int32.values(), Number)
    case 'int8':
      return Int8Array.from(int32.values(), Number)
    case 'uint8':
    case 'bool':
      return Uint8Array.from(int32.values(), Number)
    case 'float16':
      return Uint16Array.from(int32.values(), Number)
    case 'float64':
      if (float32.length + int32.length + int64.length === 0) return new Float64Array()
      throw unsupported('float64 data that is not raw')
  }
}

function readValue(reader: ProtobufReader): OnnxValue {
  const shape: (number | string)[] = []
  let name = ''
  let typeId = 0
  while (reader.next()) {
    if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) {
      const type = reader.message()
      while (type.next()) {
        if (type.field === 6) continue
        if (type.field !== 1) throw unsupported(`value ${name} that is not a tensor`)
        const tensor = type.message()
        while (tensor.next()) {
          if (tensor.field === 1) typeId = tensor.int()
          else if (tensor.field === 2) readShape(tensor.message(), shape)
        }
      }
    }
  }
  return { name, type: typeOf(typeId, `value ${JSON.stringify(name)}`), shape }
}

function readShape(reader: ProtobufReader, shape: (number | string)[]): void {
  while (reader.next()) {
    if (reader.field !== 1) continue
    const dim = reader.message()
    let size: number | string = '' // a dimension that is neither known nor named
    while (dim.next()) {
      if (dim.field === 1) {
        size = dim.int()
        // -1 is how some exporters write a dimension that is not known.
        if (size < 0) size = ''
      } else if (dim.field === 2) size = dim.string()
    }
    shape.push(size)
  }
}

function typeOf(id: number, what: string): OnnxTensorType {
  for (const [type, { id: known }] of Object.entries(onnxTypes)) if (known === id) return type as OnnxTensorType
  throw unsupported(`element type ${id} of ${what}`)
}

function invalid(problem: string): VideoMaeError {
  return new VideoMaeError(`Expected an ONNX model, but ${problem}.`, { code: 'ONNX_INVALID', exit: 'data' })
}

function unsupported(what: string): VideoMaeError {
  return new VideoMaeError(`Expected an ONNX model that this program wrote, but found ${what}.`, {
    code: 'ONNX_UNSUPPORTED',
    exit: 'data',
  })
}
