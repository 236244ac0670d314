import type { LoweringContext, ValueName } from '../../onnx/lowering/context.ts'

/** Buffers that a shader may bind on every adapter (maxStorageBuffersPerShaderStage), less the one it writes. */
const operands = 7

/** Concat along an axis, of few operands at a time. */
export function joined(context: LoweringContext, parts: readonly ValueName[], axis: number): ValueName {
  if (parts.length === 1) return parts[0]
  const groups: ValueName[] = []
  for (let i = 0; i < parts.length; i += operands) {
    const group = parts.slice(i, i + operands)
    groups.push(group.length === 1 ? group[0] : context.emit('Concat', group, { axis }))
  }
  return joined(context, groups, axis)
}
