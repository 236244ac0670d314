import type { LoweringRule } from './context.ts'

export const scaleSamples: LoweringRule = ({ inputs: [x, s], outputs: [y] }, context) => {
  const { shape } = context.spec(x)
  const column = context.reshape(
    context.value(s),
    shape.map((size, axis) => (axis === 0 ? size : 1)),
    context.isBatched(s),
  )
  context.emit('Mul', [context.value(x), column], {}, context.value(y))
}
