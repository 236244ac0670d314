import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import { elementBytes, type FloatType, type ValueId } from '../../plan/values.ts'
import { integer, type Lowering, real, typed, value } from './lowering.ts'
import type { StepArgument } from './schedule.ts'

interface Layout {
  readonly type: FloatType
  /** Packed qkv, q and kv, or q and x. */
  readonly packed: readonly ValueId[]
  /** Columns of all heads together. */
  readonly width: number
  /** batch, heads, queries, keys, head size. */
  readonly sizes: readonly StepArgument[]
  /** Distances between the rows of q, k and v. */
  readonly strides: readonly [number, number, number]
  /** Offsets of q, k and v in tensors packed like the inputs; those of k and v are one where keys are values. */
  readonly parts: (packed: readonly ValueId[]) => readonly StepArgument[]
  readonly scale: number
}

function layoutOf(lowering: Lowering, tensors: readonly TensorId[], heads: number): Layout {
  const specs = tensors.map((tensor) => lowering.program.tensors[tensor])
  const { batch, queries, keys, width, headWidth, sharedKeys } = attentionSizes('attention', specs, heads)
  const type = lowering.precision
  const together = tensors.length === 1
  const column = width * elementBytes[type]
  const keyStride = together ? 3 * width : sharedKeys ? width : 2 * width
  return {
    type,
    width,
    packed: tensors.map((tensor) => lowering.read(tensor, type)),
    sizes: [batch, heads, queries, keys, headWidth].map(integer),
    strides: [together ? 3 * width : width, keyStride, keyStride],
    parts: ([first, second]) =>
      together
        ? [value(first), value(first, column), value(first, 2 * column)]
        : [value(first), value(second), value(second, sharedKeys ? 0 : column)],
    scale: 1 / Math.sqrt(headWidth),
  }
}

export function lowerAttention(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const layout = layoutOf(lowering, inputs, Number(attributes.heads))
  const { type, width, strides } = layout
  lowering.step(typed('attention', type), [
    ...layout.parts(layout.packed),
    value(lowering.write(outputs[0], type)),
    value(lowering.write(outputs[1], 'float32')),
    ...layout.sizes,
    ...[...strides, width].map(integer),
    real(layout.scale),
  ])
}

export function lowerAttentionGradient(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const [dOutput, o, logSumExp, ...packed] = inputs
  const layout = layoutOf(lowering, packed, Number(attributes.heads))
  const { type, width, strides } = layout
  const read = [lowering.read(o, type), lowering.read(dOutput, type), lowering.read(logSumExp, 'float32')]
  const gradients = outputs.map((tensor) => lowering.write(tensor, type))
  lowering.step(typed('attention_gradient', type), [
    ...layout.parts(layout.packed),
    ...read.map((id) => value(id)),
    ...layout.parts(gradients),
    ...layout.sizes,
    ...[...strides, width, width, ...strides].map(integer),
    real(layout.scale),
  ])
}
