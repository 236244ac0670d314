import { type LoweringRule, numberAttribute } from './context.ts'

export const reshape: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.reshape(context.value(x), context.spec(y).shape, context.isBatched(y), context.value(y))
}

export const slice: LoweringRule = (node, context) => {
  const start = numberAttribute(node, 'start')
  const bounds = [[start], [start + numberAttribute(node, 'size')], [numberAttribute(node, 'axis')]]
  const inputs = [context.value(node.inputs[0]), ...bounds.map((list) => context.int64s(list))]
  context.emit('Slice', inputs, {}, context.value(node.outputs[0]))
}

export const pad: LoweringRule = (node, context) => {
  const [x] = node.inputs
  const rank = context.spec(x).shape.length
  const axis = numberAttribute(node, 'axis')
  const pads = new Array<number>(2 * rank).fill(0)
  pads[axis] = numberAttribute(node, 'before')
  pads[rank + axis] = numberAttribute(node, 'after')
  context.emit('Pad', [context.value(x), context.int64s(pads)], {}, context.value(node.outputs[0]))
}

export const concat: LoweringRule = (node, context) => {
  const parts = node.inputs.map((input) => context.value(input))
  context.emit('Concat', parts, { axis: numberAttribute(node, 'axis') }, context.value(node.outputs[0]))
}

/** GatherND with the batch as its own axis copies whole rows. */
export const gatherTokens: LoweringRule = ({ inputs: [x, indices], outputs: [y] }, context) => {
  context.emit('GatherND', [context.value(x), context.indices(indices)], { batch_dims: 1 }, context.value(y))
}

/**
 * ScatterElements walks through its indices one after the other, so repeated indices add up in a fixed order;
 * ScatterND would spread them over threads.
 */
export const scatterTokens: LoweringRule = ({ inputs: [y, indices], outputs: [x] }, context) => {
  const zeros = context.emit('Expand', [context.float(0), context.runtimeShape(context.spec(x).shape)])
  const index = context.emit('Expand', [context.indices(indices), context.runtimeShape(context.spec(y).shape)])
  const attributes = { axis: 1, reduction: 'add' }
  context.emit('ScatterElements', [zeros, index, context.value(y)], attributes, context.value(x))
}

export const gatherRows: LoweringRule = ({ inputs: [table, indices], outputs: [y] }, context) => {
  context.emit('Gather', [context.value(table), context.value(indices)], { axis: 0 }, context.value(y))
}
