import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { bytesOf, valueCount } from './file-bytes.ts'
import { orderedMetadata, putChecksum } from './onnx-checksum.ts'
import {
  arrayOf,
  type ExternalData,
  largestMessage,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  onnxTypes,
} from './onnx-types.ts'
import { ProtobufWriter } from './protobuf.ts'

/**
 * The model as the bytes of an `.onnx` file, everything inside it. Metadata may hold `withChecksum`: then `readModel` finds out when the
 * file is not what was written.
 *
 * @throws VideoMaeError `ONNX_TOO_LARGE` at 2 GiB (`writeModel` puts the data next to it then), `INVALID_ARGUMENT` when the
 *   data of a tensor does not fit its type or shape
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const writer = modelWriter(model)
  putChecksum(model, writer.pieces())
  return writer.finish()
}

/** Where the data of an initializer is that stays out of the message. */
export type ExternalPlaces = (initializer: OnnxInitializer) => ExternalData | undefined

/** The message before it is put together. `putChecksum` completes its pieces. */
export function modelWriter(model: OnnxModel, external?: ExternalPlaces): ProtobufWriter {
  const writer = new ProtobufWriter(64 * 1024)
  writer.int(1, model.irVersion)
  if (model.producerName !== undefined) writer.string(2, model.producerName)
  if (model.producerVersion !== undefined) writer.string(3, model.producerVersion)
  writer.message(7, (w) => writeGraph(w, model.graph, external))
  for (const { domain, version } of model.opsets) writer.message(8, (w) => w.string(1, domain).int(2, version))
  for (const [key, value] of Object.entries(orderedMetadata(model))) writePair(writer, 14, key, value)
  if (writer.size > largestMessage) {
    throw new VideoMaeError(`Expected an ONNX model below 2 GiB but this one has ${writer.size} bytes.`, {
      code: 'ONNX_TOO_LARGE',
      hint: 'Use writeModel, which writes the weights to a second file.',
    })
  }
  return writer
}

function writeGraph(writer: ProtobufWriter, graph: OnnxGraph, external?: ExternalPlaces): void {
  for (const node of graph.nodes) writer.message(1, (w) => writeNode(w, node))
  writer.string(2, graph.name)
  for (const initializer of graph.initializers) {
    writer.message(5, (w) => writeTensor(w, initializer, initializer.name, external?.(initializer)))
  }
  for (const value of graph.inputs) writer.message(11, (w) => writeValue(w, value))
  for (const name of graph.otherOutputs ?? []) writer.message(12, (w) => w.string(1, name))
  for (const value of graph.outputs) writer.message(12, (w) => writeValue(w, value))
}

function writeNode(writer: ProtobufWriter, node: OnnxNode): void {
  for (const name of node.inputs) writer.string(1, name)
  for (const name of node.outputs) writer.string(2, name)
  if (node.name) writer.string(3, node.name)
  writer.string(4, node.op)
  if (node.attributes) {
    for (const [name, attribute] of Object.entries(node.attributes)) {
      writer.message(5, (w) => writeAttribute(w, name, attribute))
    }
  }
  if (node.domain) writer.string(7, node.domain)
}

function writeAttribute(writer: ProtobufWriter, name: string, attribute: OnnxAttribute): void {
  writer.string(1, name)
  if ('float' in attribute) writer.float(2, attribute.float).int(20, 1)
  else if ('int' in attribute) writer.int(3, attribute.int).int(20, 2)
  else if ('string' in attribute) writer.string(4, attribute.string).int(20, 3)
  else if ('tensor' in attribute) writer.message(5, (w) => writeTensor(w, attribute.tensor)).int(20, 4)
  else if ('floats' in attribute) writer.packedFloats(7, attribute.floats).int(20, 6)
  else if ('ints' in attribute) writer.packedInts(8, attribute.ints).int(20, 7)
  else {
    for (const text of attribute.strings) writer.string(9, text)
    writer.int(20, 8)
  }
}

function writeTensor(writer: ProtobufWriter, tensor: OnnxTensor, name?: string, external?: ExternalData): void {
  checkTensor(tensor, name)
  writer.packedInts(1, tensor.shape)
  writer.int(2, onnxTypes[tensor.type].id)
  if (name !== undefined) writer.string(8, name)
  if (external) {
    writePair(writer, 13, 'location', external.location)
    writePair(writer, 13, 'offset', String(external.offset))
    writePair(writer, 13, 'length', String(external.length))
    writer.int(14, 1)
  } else {
    writer.bytes(9, bytesOf(tensor.data))
  }
}

function writeValue(writer: ProtobufWriter, value: OnnxValue): void {
  writer.string(1, value.name)
  writer.message(2, (type) => {
    type.message(1, (tensor) => {
      tensor.int(1, onnxTypes[value.type].id)
      tensor.message(2, (shape) => {
        for (const size of value.shape) {
          shape.message(1, (dim) => (typeof size === 'number' ? dim.int(1, size) : dim.string(2, size)))
        }
      })
    })
  })
}

function writePair(writer: ProtobufWriter, field: number, key: string, value: string): void {
  writer.message(field, (w) => w.string(1, key).string(2, value))
}

function checkTensor(tensor: OnnxTensor, name = 'attribute tensor'): void {
  const fits = tensor.data instanceof arrayOf(tensor.type)
  if (!fits) throw invalidArgument(`data of ${name}`, `an array for ${tensor.type}`, tensor.data.constructor.name)
  if (tensor.data.length !== valueCount(tensor.shape)) {
    throw invalidArgument(
      `data of ${name}`,
      `${valueCount(tensor.shape)} values (shape [${tensor.shape.join(', ')}])`,
      tensor.data.length,
    )
  }
}
