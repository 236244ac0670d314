/** The heads of an ensemble as ONNX operators: pooled features in, scores and votes of all learners out. */
import type { OnnxGraph, OnnxInitializer, OnnxNode, OnnxValue } from '../../../format/onnx.ts'
import type { TrainedHeads } from '../../ensemble/heads/head.ts'
import type { FeatureScale } from '../scale.ts'

/** Names of inputs and outputs of the exported model. */
export const voteNames = { pooled: 'pooled', scores: 'scores', votes: 'votes' } as const

/** Prefix of values in between: no parameter of an encoder is called so. */
const own = (name: string): string => `votes/${name}`

/**
 * `[batch, width]` features to `scores` float32 [batch, learners, classes] and `votes` int64 [batch, learners]: the class with the
 * largest score of those that a learner has samples of, ties to the smaller index; a learner without samples votes `classes`.
 *
 * Scaling is computed in float64 and rounded, as the program does; the sums of the product run in another order.
 *
 * @param features name of the value that holds the features
 * @param clips of each video: with more than one, `features` are [batch, width] with the clips of a video one after the other, and
 *   outputs are [batch / clips, ...] of the mean over them
 */
export function votesGraph(
  { head, classes, width, learners, weights, knows }: TrainedHeads,
  scale: FeatureScale | null,
  features: string,
  clips = 1,
): Pick<OnnxGraph, 'nodes' | 'initializers' | 'outputs'> {
  const nodes: OnnxNode[] = []
  const initializers: OnnxInitializer[] = []
  const constant = (name: string, value: Omit<OnnxInitializer, 'name'>): string => {
    initializers.push({ name: own(name), ...value })
    return own(name)
  }
  const emit = (op: string, inputs: readonly string[], output: string, attributes?: OnnxNode['attributes']): string => {
    nodes.push({ op, inputs, outputs: [output], ...(attributes === undefined ? {} : { attributes }) })
    return output
  }
  const cast = (value: string, output: string, type: 1 | 11) => emit('Cast', [value], output, { to: { int: type } })
  const doubles = (name: string, data: Float64Array, shape: readonly number[] = [data.length]) =>
    constant(name, { type: 'float64', shape, data })

  let x = features
  if (clips > 1) {
    const whole = { type: 'int64' as const, shape: [3], data: BigInt64Array.of(-1n, BigInt(clips), BigInt(width)) }
    const grouped = emit('Reshape', [cast(x, own('clips'), 11), constant('videos', whole)], own('grouped'))
    const mean = emit('ReduceMean', [grouped], own('mean_of_clips'), { axes: { ints: [1] }, keepdims: { int: 0 } })
    x = cast(mean, own('video'), 1)
  }
  if (scale !== null) {
    const centered = emit('Sub', [cast(x, own('raw'), 11), doubles('mean', scale.mean)], own('centered'))
    const scaled = emit('Div', [centered, doubles('deviation', scale.deviation)], own('scaled64'))
    x = cast(scaled, own('scaled'), 1)
  }
  if (head.scaling === 'unit') {
    const wide = cast(x, own('wide'), 11)
    const axes = constant('axis', { type: 'int64', shape: [1], data: BigInt64Array.of(1n) })
    const squares = emit('Mul', [wide, wide], own('squares'))
    const square = emit('ReduceSum', [squares, axes], own('square'), { keepdims: { int: 1 } })
    const [zero, one] = [doubles('zero', Float64Array.of(0)), doubles('one', Float64Array.of(1))]
    // A zero row stays zero.
    const positive = emit('Greater', [square, zero], own('positive'))
    const divisor = emit('Where', [positive, emit('Sqrt', [square], own('length')), one], own('divisor'))
    const factor = emit('Div', [one, divisor], own('factor'))
    x = cast(emit('Mul', [wide, factor], own('unit64')), own('unit'), 1)
  }
  const { matrix, bias } = columns(weights, learners * classes, width)
  const flat = emit(
    'Gemm',
    [
      x,
      constant('heads', { type: 'float32', shape: [learners * classes, width], data: matrix }),
      constant('bias', { type: 'float32', shape: [learners * classes], data: bias }),
    ],
    own('flat'),
    { transB: { int: 1 } },
  )
  const shape = constant('shape', {
    ...{ type: 'int64', shape: [3], data: BigInt64Array.of(-1n, BigInt(learners), BigInt(classes)) },
  })
  const scores = emit('Reshape', [flat, shape], voteNames.scores)
  const known = constant('knows', { type: 'bool', shape: [1, learners, classes], data: Uint8Array.from(knows) })
  const lowest = constant('lowest', { type: 'float32', shape: [], data: Float32Array.of(-3.402_823_466e38) })
  const open = emit('Where', [known, scores, lowest], own('open'))
  const best = emit('ArgMax', [open], own('best'), { axis: { int: 2 }, keepdims: { int: 0 } })
  const any = Uint8Array.from({ length: learners }, (_, i) =>
    knows.subarray(i * classes, (i + 1) * classes).includes(1) ? 1 : 0,
  )
  const votes = constant('any', { type: 'bool', shape: [1, learners], data: any })
  const abstain = constant('abstain', { type: 'int64', shape: [], data: BigInt64Array.of(BigInt(classes)) })
  emit('Where', [votes, best, abstain], voteNames.votes)
  const batch = clips > 1 ? 'videos' : 'batch'
  const outputs: OnnxValue[] = [
    { name: voteNames.scores, type: 'float32', shape: [batch, learners, classes] },
    { name: voteNames.votes, type: 'int64', shape: [batch, learners] },
  ]
  return { nodes, initializers, outputs }
}

/** [rows, width + 1] as a matrix [rows, width] and a bias [rows]. */
function columns(weights: Float32Array, rows: number, width: number) {
  const matrix = new Float32Array(rows * width)
  const bias = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    const at = row * (width + 1)
    matrix.set(weights.subarray(at, at + width), row * width)
    bias[row] = weights[at + width]
  }
  return { matrix, bias }
}
