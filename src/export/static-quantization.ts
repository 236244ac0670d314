import type { OnnxInitializer, OnnxNode } from '../format/onnx.ts'
import type { ActivationRange, ActivationRanges } from './calibration.ts'

/**
 * Puts a rounding to 8 bits (QuantizeLinear, DequantizeLinear) in front of the matrix products. ONNX Runtime joins such a
 * pair, the DequantizeLinear of the weights and the product into one product of integers; any other runtime computes the
 * same values in float32.
 *
 * @param matrices weights that are 8-bit integers; the products of others stay as they are
 * @param ranges of the activations; a product with an operand that has none stays as it is
 */
export function withRoundedOperands(
  nodes: readonly OnnxNode[],
  matrices: ReadonlySet<string>,
  ranges: ActivationRanges,
): { readonly nodes: readonly OnnxNode[]; readonly initializers: readonly OnnxInitializer[] } {
  const initializers: OnnxInitializer[] = []
  const result: OnnxNode[] = []
  const roundedNames = new Map<string, string>()
  const rounded = (name: string): string => {
    const known = roundedNames.get(name)
    if (known !== undefined) return known
    const { scale, zero } = parametersOf(ranges.get(name)!)
    const [quantized, output, scaleName, zeroName] = ['u8', 'rounded', 'scale', 'zero'].map((what) => `${name}/${what}`)
    initializers.push(
      { name: scaleName, type: 'float32', shape: [], data: Float32Array.of(scale) },
      { name: zeroName, type: 'uint8', shape: [], data: Uint8Array.of(zero) },
    )
    result.push(
      { op: 'QuantizeLinear', inputs: [name, scaleName, zeroName], outputs: [quantized] },
      { op: 'DequantizeLinear', inputs: [quantized, scaleName, zeroName], outputs: [output] },
    )
    roundedNames.set(name, output)
    return output
  }
  for (const node of nodes) {
    const [a, b, bias] = node.inputs
    const [out] = node.outputs
    if (node.op === 'Gemm' && matrices.has(b) && ranges.has(a)) {
      // The bias is added in float32: as an operand it would have to be an integer, too.
      const product = bias === undefined ? out : `${out}/product`
      result.push({ ...node, inputs: [rounded(a), b], outputs: [product] })
      if (bias !== undefined) result.push({ op: 'Add', inputs: [product, bias], outputs: [out] })
    } else if (node.op === 'MatMul' && ranges.has(a) && ranges.has(b)) {
      result.push({ ...node, inputs: [rounded(a), rounded(b)] })
    } else result.push(node)
  }
  return { nodes: result, initializers }
}

/** Scale and zero point of 8 bits without sign: `value = scale * (integer - zero)`, in which 0 is exact. */
export function parametersOf({ low, high }: ActivationRange): { readonly scale: number; readonly zero: number } {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)]
  // 0 where nothing but zeros was measured, or less than float32 can tell from it.
  const scale = Math.fround((to - from) / 255) || 1
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-from / scale))) }
}
