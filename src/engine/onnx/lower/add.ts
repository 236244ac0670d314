import type { LoweringRule } from './context.ts'

/** Suffix broadcasting is the broadcasting of ONNX. */
export const add: LoweringRule = ({ inputs: [a, b], outputs: [y] }, context) => {
  context.emit('Add', [context.value(a), context.value(b)], {}, context.value(y))
}
