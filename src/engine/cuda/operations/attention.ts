import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import { elementBytes } from '../device.ts'
import { type FloatType, f32, type Lowering, u32, value } from '../lower/lowering.ts'
import type { StepArgument, ValueId } from '../lower/schedule.ts'

interface Layout {
  readonly batch: number
  readonly heads: number
  readonly queries: number
  readonly keys: number
  readonly headWidth: number
  readonly type: FloatType
  /** Keys are the values, too. */
  readonly sharedKeys: boolean
  /** Packed qkv, q and kv, or q and x. */
  readonly packed: readonly ValueId[]
  readonly strideQ: number
  readonly strideK: number
  /** Places of q, k and v in tensors packed like the inputs. */
  readonly parts: (packed: readonly ValueId[]) => readonly [StepArgument, StepArgument, StepArgument]
  /** Sizes and scale, the last arguments of every attention kernel. */
  readonly tail: readonly StepArgument[]
}

function layoutOf(lowering: Lowering, tensors: readonly TensorId[], heads: number): Layout {
  const specs = tensors.map((tensor) => lowering.program.tensors[tensor])
  const { batch, queries, keys, width, headWidth, sharedKeys } = attentionSizes('attention', specs, heads)
  const type = lowering.precision
  const packed = tensors.map((tensor) => lowering.read(tensor, type))
  const together = tensors.length === 1
  const column = width * elementBytes[type]
  const [strideQ, strideK] = together ? [3 * width, 3 * width] : [width, sharedKeys ? width : 2 * width]
  return {
    ...{ batch, heads, queries, keys, headWidth, type, sharedKeys, packed, strideQ, strideK },
    parts: ([first, second]) =>
      together
        ? [value(first), value(first, column), value(first, 2 * column)]
        : [value(first), value(second), value(second, sharedKeys ? 0 : column)],
    tail: [...[queries, keys, strideQ, strideK, headWidth].map(u32), f32(1 / Math.sqrt(headWidth))],
  }
}

/** Which kernel file serves a layout, and how it wants to be launched. */
interface Variant {
  readonly kernel: string
  readonly defines: Readonly<Record<string, number>>
  /** Rows of queries or keys per block. */
  readonly rows: number
  readonly block: readonly [number, number]
  readonly shared: { readonly forward: number; readonly queryGradient: number; readonly keyGradient: number }
}

/** Rows of a block of attention-tiles.cu, and of the tiles it walks over. */
const tile = 64

/**
 * Tensor cores where storage is bfloat16 and rows of a head are whole 16-byte accesses, at head widths up to 128;
 * otherwise the plain kernels.
 */
function variantOf({ type, headWidth }: Layout): Variant {
  if (type === 'bfloat16' && headWidth % 8 === 0 && headWidth >= 16 && headWidth <= 128) {
    const padded = Math.ceil(headWidth / 16) * 16
    const rowBytes = (padded + 8) * 2
    return {
      kernel: 'attention-tiles',
      defines: { HEAD_WIDTH: headWidth },
      rows: tile,
      block: [128, 1],
      shared: {
        forward: 4 * tile * rowBytes,
        queryGradient: 4 * tile * rowBytes,
        // Two stages of q and do, and the block's own k and v.
        keyGradient: 2 * keyGradientQueries * 2 * rowBytes + 2 * tile * rowBytes,
      },
    }
  }
  const shared = 4 * 2 * headWidth * 4
  return {
    kernel: 'attention-plain',
    defines: headWidth <= 256 ? {} : { COLUMNS: Math.ceil(headWidth / 32) },
    rows: 4,
    block: [128, 1],
    shared: { forward: shared, queryGradient: shared, keyGradient: shared },
  }
}

/** Queries per tile of the key gradient: half a tile keeps its accumulators in registers. */
const keyGradientQueries = 32

export function lowerAttention(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const layout = layoutOf(lowering, inputs, Number(attributes.heads))
  const variant = variantOf(layout)
  lowering.launch({
    kernel: variant.kernel,
    entry: 'attentionForward',
    element: layout.type,
    defines: variant.defines,
    grid: [Math.ceil(layout.queries / variant.rows), layout.heads, layout.batch],
    block: variant.block,
    shared: variant.shared.forward,
    arguments: [
      value(lowering.write(outputs[0], layout.type)),
      value(lowering.write(outputs[1], 'float32')),
      ...layout.parts(layout.packed),
      ...layout.tail,
    ],
  })
}

export function lowerAttentionGradient(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const [dOutput, o, logSumExp, ...packed] = inputs
  const heads = Number(attributes.heads)
  const layout = layoutOf(lowering, packed, heads)
  const variant = variantOf(layout)
  const { batch, queries, keys, headWidth, type } = layout
  const dO = lowering.read(dOutput, type)
  const forward = lowering.read(o, type)
  const statistics = lowering.read(logSumExp, 'float32')
  const delta = lowering.temporary(batch * heads * queries, 'float32')
  lowering.launch({
    kernel: 'attention-plain',
    entry: 'attentionDelta',
    element: type,
    grid: [Math.ceil(queries / 4), heads, batch],
    block: [128, 1],
    arguments: [value(delta), value(dO), value(forward), u32(queries), u32(headWidth)],
  })
  const [dqId, dxId] = outputs.map((tensor) => lowering.write(tensor, type))
  const count = batch * keys * heads * headWidth
  const apart = layout.sharedKeys ? [lowering.temporary(count, type), lowering.temporary(count, type)] : null
  const [dq, dk, dv] = apart === null ? layout.parts([dqId, dxId]) : [dqId, ...apart].map((id) => value(id))
  const common = [...[dO, statistics, delta].map((id) => value(id)), ...layout.parts(layout.packed), ...layout.tail]
  const launch = { kernel: variant.kernel, element: type, defines: variant.defines, block: variant.block }
  lowering.launch({
    ...launch,
    entry: 'attentionQueryGradient',
    grid: [Math.ceil(queries / variant.rows), heads, batch],
    shared: variant.shared.queryGradient,
    arguments: [dq, ...common],
  })
  lowering.launch({
    ...launch,
    entry: 'attentionKeyGradient',
    grid: [Math.ceil(keys / variant.rows), heads, batch],
    shared: variant.shared.keyGradient,
    arguments: [dk, dv, ...common],
  })
  if (apart === null) return
  const operands = [dxId, ...apart].map((id) => value(id))
  lowering.each('add', 'add', type, count, lowering.pack(type), [...operands, u32(count), u32(count)])
}
