import { type LoweringRule, numberAttribute } from './context.ts'

export const pad: LoweringRule = (node, context) => {
  const [x] = node.inputs
  const rank = context.spec(x).shape.length
  const axis = numberAttribute(node, 'axis')
  const pads = new Array<number>(2 * rank).fill(0)
  pads[axis] = numberAttribute(node, 'before')
  pads[rank + axis] = numberAttribute(node, 'after')
  context.emit('Pad', [context.value(x), context.int64s(pads)], {}, context.value(node.outputs[0]))
}
