/** Graphs, operations, differentiation and programs: what a model is written in and what an engine runs. */
export { differentiate } from './differentiate.ts'
export { Graph, Tensor } from './graph.ts'
export {
  type AccumulateUpdate,
  type AdamwEntry,
  type AdamwUpdate,
  type Attributes,
  type AttributeValue,
  type AverageUpdate,
  type DataType,
  elementCount,
  formatSpec,
  type GradientSource,
  type NamedTensor,
  type Program,
  type ProgramConstant,
  type ProgramNode,
  sameShape,
  type TensorId,
  type TensorSpec,
  type Update,
  type ZeroUpdate,
} from './program.ts'
