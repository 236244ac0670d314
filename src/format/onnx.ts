/**
 * ONNX models without the onnx package: build an `OnnxModel` of plain objects, encode it, read one back.
 */
export { decodeModel } from './onnx-decode.ts'
export { encodeModel } from './onnx-encode.ts'
export { readModel, type WriteModelOptions, writeCheckedModel, writeModel } from './onnx-file.ts'
export type {
  OnnxArray,
  OnnxAttribute,
  OnnxGraph,
  OnnxInitializer,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxTensorType,
  OnnxValue,
} from './onnx-types.ts'
export { onnxTypes } from './onnx-types.ts'
