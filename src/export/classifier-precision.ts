import { invalidArgument } from '../core/errors.ts'
import { float32ToFloat16 } from '../format/half.ts'
import type { OnnxInitializer, OnnxModel, OnnxNode } from '../format/onnx.ts'
import type { ActivationRanges } from './calibration.ts'
import { withRoundedOperands } from './static-quantization.ts'

/**
 * How the weights of an exported classifier are stored, and what its matrix products are computed in.
 *
 * - `float32`: as they were trained.
 * - `float16`: half the size; turned back to float32 when the file is loaded, so it runs wherever float32 runs.
 * - `int8`: matrices as 8-bit integers with one scale per output channel (DequantizeLinear); a quarter of the size,
 *   arithmetic in float32.
 * - `int8-dynamic`: besides, the inputs of every matrix product are rounded to 8 bits at each run (DynamicQuantizeLinear,
 *   MatMulInteger), which is faster where the processor multiplies 8-bit integers fast.
 * - `int8-static`: the inputs of all matrix products are rounded to 8 bits between bounds that were measured on
 *   calibration clips (QuantizeLinear, DequantizeLinear), so a run need not look for them. Norms, softmax and GELU stay
 *   float32.
 */
export const exportPrecisions = ['float32', 'float16', 'int8', 'int8-dynamic', 'int8-static'] as const
export type ExportPrecision = (typeof exportPrecisions)[number]

/** Smaller tensors stay float32: they are norms, biases and shapes. */
const smallest = 1024
const float32 = 1

/**
 * The same model in another precision.
 *
 * @param ranges what enters the matrix products, for `int8-static`; see `measureRanges`
 * @throws VideoMaeError `INVALID_ARGUMENT` for `int8-static` without ranges
 */
export function withPrecision(model: OnnxModel, precision: ExportPrecision, ranges?: ActivationRanges): OnnxModel {
  if (precision === 'float32') return model
  if (precision === 'int8-static' && ranges === undefined) {
    throw invalidArgument('ranges', 'ranges that were measured on calibration clips', ranges)
  }
  const { graph } = model
  const matrices = new Set(precision === 'float16' ? [] : gemmWeights(model))
  const before: OnnxNode[] = []
  const initializers: OnnxInitializer[] = []
  for (const initializer of graph.initializers) {
    const { name, type, shape, data } = initializer
    if (type !== 'float32' || data.length < smallest) initializers.push(initializer)
    else if (!matrices.has(name)) {
      initializers.push({ name: `${name}/half`, type: 'float16', shape, data: float32ToFloat16(data as Float32Array) })
      before.push({ op: 'Cast', inputs: [`${name}/half`], outputs: [name], attributes: { to: { int: float32 } } })
    } else if (precision !== 'int8-dynamic') {
      const { values, scales } = quantizeRows(data as Float32Array, shape[0], precision === 'int8' ? 127 : sevenBits)
      initializers.push(
        { name: `${name}/int8`, type: 'int8', shape, data: values },
        { name: `${name}/scale`, type: 'float32', shape: [shape[0]], data: scales },
        { name: `${name}/zero`, type: 'int8', shape: [shape[0]], data: new Int8Array(shape[0]) },
      )
      before.push({
        op: 'DequantizeLinear',
        inputs: [`${name}/int8`, `${name}/scale`, `${name}/zero`],
        outputs: [name],
        attributes: { axis: { int: 0 } },
      })
    } else initializers.push(...dynamicWeights(name, shape, data as Float32Array))
  }
  if (precision === 'int8-static') {
    const rounded = withRoundedOperands(graph.nodes, matrices, ranges!)
    const constants = [...initializers, ...rounded.initializers]
    return { ...model, graph: { ...graph, initializers: constants, nodes: [...before, ...rounded.nodes] } }
  }
  const nodes =
    precision === 'int8-dynamic' ? graph.nodes.flatMap((node) => dynamicProduct(node, matrices)) : graph.nodes
  return { ...model, graph: { ...graph, initializers, nodes: [...before, ...nodes] } }
}

/** Without VNNI, pairs of products of 8 bits overflow the 16 bits that they are added in. */
const sevenBits = 63

/** Names of weights [O, I] that only Gemm nodes with a transposed second operand read. */
function gemmWeights({ graph }: OnnxModel): string[] {
  const large = graph.initializers.filter(
    ({ type, shape, data }) => type === 'float32' && shape.length === 2 && data.length >= smallest,
  )
  return large
    .map(({ name }) => name)
    .filter((name) =>
      graph.nodes.every(({ op, inputs, attributes }) => {
        if (!inputs.includes(name)) return true
        const transposed = attributes?.transB
        return (
          op === 'Gemm' &&
          inputs[1] === name &&
          inputs[0] !== name &&
          transposed !== undefined &&
          'int' in transposed &&
          Number(transposed.int) === 1
        )
      }),
    )
}

/**
 * Rounds every row of a matrix to integers of -limit..limit.
 *
 * @returns values and the scale of each row; value * scale is the weight
 */
export function quantizeRows(
  weights: Float32Array,
  rows: number,
  limit: number,
): { readonly values: Int8Array; readonly scales: Float32Array } {
  const width = weights.length / rows
  const values = new Int8Array(weights.length)
  const scales = new Float32Array(rows)
  for (let r = 0; r < rows; r++) {
    let largest = 0
    for (let k = r * width; k < (r + 1) * width; k++) largest = Math.max(largest, Math.abs(weights[k]))
    const scale = largest === 0 ? 1 : largest / limit
    scales[r] = scale
    for (let k = r * width; k < (r + 1) * width; k++) values[k] = Math.round(weights[k] / scale)
  }
  return { values, scales }
}

/** [I, O] for MatMulInteger. */
function dynamicWeights(name: string, [rows, width]: readonly number[], data: Float32Array): OnnxInitializer[] {
  const { values, scales } = quantizeRows(data, rows, sevenBits)
  const transposed = new Int8Array(values.length)
  for (let r = 0; r < rows; r++) for (let k = 0; k < width; k++) transposed[k * rows + r] = values[r * width + k]
  return [
    { name: `${name}/int8`, type: 'int8', shape: [width, rows], data: transposed },
    { name: `${name}/scale`, type: 'float32', shape: [rows], data: scales },
  ]
}

/** x W' + b as DynamicQuantizeLinear, MatMulInteger and one multiplication per output channel. */
function dynamicProduct(node: OnnxNode, matrices: ReadonlySet<string>): OnnxNode[] {
  const [x, weight, bias] = node.inputs
  if (node.op !== 'Gemm' || weight === undefined || !matrices.has(weight)) return [node]
  const [out] = node.outputs
  const at = (what: string): string => `${out}/${what}`
  const product = bias === undefined ? out : at('product')
  return [
    { op: 'DynamicQuantizeLinear', inputs: [x], outputs: [at('x'), at('x_scale'), at('x_zero')] },
    { op: 'MatMulInteger', inputs: [at('x'), `${weight}/int8`, at('x_zero')], outputs: [at('integer')] },
    { op: 'Cast', inputs: [at('integer')], outputs: [at('float')], attributes: { to: { int: float32 } } },
    { op: 'Mul', inputs: [at('x_scale'), `${weight}/scale`], outputs: [at('scale')] },
    { op: 'Mul', inputs: [at('float'), at('scale')], outputs: [product] },
    ...(bias === undefined ? [] : [{ op: 'Add', inputs: [product, bias], outputs: [out] }]),
  ]
}
