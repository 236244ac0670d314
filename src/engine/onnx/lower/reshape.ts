import type { LoweringRule } from './context.ts'

export const reshape: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.reshape(context.value(x), context.spec(y).shape, context.isBatched(y), context.value(y))
}
