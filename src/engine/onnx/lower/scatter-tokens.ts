import type { LoweringRule } from './context.ts'

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
