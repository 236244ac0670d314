import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import { elementBytes, type FloatType, type ValueId } from '../../plan/values.ts'
import { f32, type Lowering, u32, value } from './lowering.ts'
import type { StepArgument } from './schedule.ts'

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
  /** Offsets of q, k and v in tensors packed like the inputs. */
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
  /** Rows per block: of queries, and of keys in the key gradient. */
  readonly rows: { readonly queries: number; readonly keys: number }
  readonly block: readonly [number, number]
  readonly shared: { readonly forward: number; readonly queryGradient: number; readonly keyGradient: number }
}

/** Rows of the tiles of keys that attention-tiles.cu walks over. */
const tile = 64
/** Rows of keys per block of its key gradient. */
const keyRows = 64

/** How attention-tiles.cu is compiled for a head width: heads of up to 64 leave registers for 32 queries a warp. */
export function attentionTileDefines(headWidth: number): Readonly<Record<string, number>> {
  const narrow = headWidth <= 64
  return { HEAD_WIDTH: headWidth, ROW_TILES: narrow ? 2 : 1, QUERY_TILE: narrow ? 64 : 32 }
}

/**
 * Tensor cores where storage is bfloat16 and rows of a head are whole 16-byte accesses, at head widths up to 128;
 * otherwise the plain kernels.
 */
function variantOf({ type, headWidth }: Layout): Variant {
  if (type === 'bfloat16' && headWidth % 8 === 0 && headWidth >= 16 && headWidth <= 128) {
    const defines = attentionTileDefines(headWidth)
    const padded = Math.ceil(headWidth / 16) * 16
    const rowBytes = (padded + 8) * 2
    // Two stages of q and do and of their statistics; the block's own k and v where registers do not hold them.
    const keyStages = 2 * defines.QUERY_TILE * (2 * rowBytes + 2 * 4)
    return {
      kernel: 'attention-tiles',
      defines,
      rows: { queries: 64 * defines.ROW_TILES, keys: keyRows },
      block: [128, 1],
      shared: {
        forward: 4 * tile * rowBytes,
        queryGradient: 4 * tile * rowBytes,
        keyGradient: keyStages + (padded <= 64 ? 0 : 2 * keyRows * rowBytes),
      },
    }
  }
  const shared = 4 * 2 * headWidth * 4
  return {
    kernel: 'attention-plain',
    defines: headWidth <= 256 ? {} : { COLUMNS: Math.ceil(headWidth / 32) },
    rows: { queries: 4, keys: 4 },
    block: [128, 1],
    shared: { forward: shared, queryGradient: shared, keyGradient: shared },
  }
}

export function lowerAttention(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const layout = layoutOf(lowering, inputs, Number(attributes.heads))
  const variant = variantOf(layout)
  lowering.launch({
    kernel: variant.kernel,
    entry: 'attentionForward',
    element: layout.type,
    defines: variant.defines,
    grid: [Math.ceil(layout.queries / variant.rows.queries), layout.heads, layout.batch],
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
    grid: [Math.ceil(queries / variant.rows.queries), heads, batch],
    shared: variant.shared.queryGradient,
    arguments: [dq, ...common],
  })
  lowering.launch({
    ...launch,
    entry: 'attentionKeyGradient',
    grid: [Math.ceil(keys / variant.rows.keys), heads, batch],
    shared: variant.shared.keyGradient,
    arguments: [dk, dv, ...common],
  })
  if (apart === null) return
  const operands = [dxId, ...apart].map((id) => value(id))
  lowering.each('add', 'add', type, count, lowering.pack(type), [...operands, u32(count), u32(count)])
}
