/** How much memory of the machine the programs of a session will take, from their shapes alone, before anything is allocated. */
import { elementCount, type Program, type ProgramNode, type TensorId } from '../graph/program.ts'
import { collectStates, stateBytes } from './check.ts'

export interface MemoryEstimate {
  /** Bytes of parameters, moments, averages and accumulators. */
  readonly state: number
  /** Bytes of the gradients that updates read. */
  readonly gradients: number
  /** Bytes of activations and of what operations need meanwhile, at the moment when most of them are alive. */
  readonly workspace: number
}

/**
 * What an engine takes of the machine's own memory. For `cuda` that is a copy of the state: what the GPU needs is compared with
 * what it has when the session is opened.
 *
 * Every program of an `onnx` session keeps what it has once taken, so their workspaces add up.
 *
 * @param engine name of the engine; one that is not known counts as `onnx`
 */
export function estimateMemory(engine: string, programs: readonly Program[]): MemoryEstimate {
  const float = engine === 'reference' ? 8 : 4
  const state = stateBytes(collectStates(programs), float)
  if (engine === 'cuda') return { state, gradients: 0, workspace: 0 }
  const onnx = engine !== 'reference' && engine !== 'native'
  const peaks = programs.map((program) => peakBytes(program, float, onnx))
  const gradients = Math.max(0, ...programs.map((program) => gradientBytes(program, float)))
  const scale = onnx ? arenaFactor : 1
  return { state, gradients, workspace: scale * peaks.reduce((sum, peak) => sum + peak, 0) }
}

/**
 * Resident memory of ONNX Runtime's arena over the most bytes that are alive at once: blocks that do not fit exactly, and an order
 * of nodes that is not that of the program. Measured, see docs/engine-onnx.md.
 */
const arenaFactor = 1.13

/** The most bytes of intermediate tensors that are alive at once, when nodes run in the order of the program. */
function peakBytes(program: Program, float: number, onnx: boolean): number {
  const width = { float32: float, int32: float, uint8: float === 4 ? 1 : 8 }
  const bytes = (tensor: TensorId): number => {
    const { shape, dtype } = program.tensors[tensor]
    return elementCount(shape) * width[dtype]
  }
  const last = lastUses(program)
  const kept = onnx ? keptAttentions(program, bytes) : new Map<ProgramNode, readonly [number, number]>()
  const ends: number[] = program.nodes.map(() => 0)
  let alive = 0
  let peak = 0
  for (const [at, node] of program.nodes.entries()) {
    let made = 0
    for (const output of node.outputs) {
      const end = last.get(output)
      // What nothing reads, updates read: it lies among the gradients. A reshaped tensor is its input.
      if (end === undefined || node.operation === 'reshape') continue
      made += bytes(output)
      ends[end] += bytes(output)
    }
    const [size, until] = kept.get(node) ?? [0, at]
    made += size
    ends[until] += size
    alive += made
    peak = Math.max(peak, alive + (onnx ? temporaryBytes(program, node, bytes) : 0))
    alive -= ends[at]
  }
  return peak
}

/** The last node that reads each tensor; outputs live to the end. */
function lastUses({ nodes, outputs }: Program): Map<TensorId, number> {
  const last = new Map<TensorId, number>()
  for (const [at, { inputs }] of nodes.entries()) for (const input of inputs) last.set(input, at)
  for (let at = nodes.length - 1; at >= 0; at--) {
    const { operation, inputs, outputs: made } = nodes[at]
    if (operation !== 'reshape') continue
    const end = last.get(made[0])
    if (end !== undefined) last.set(inputs[0], Math.max(end, last.get(inputs[0]) ?? 0))
  }
  for (const { tensor } of outputs) last.set(tensor, nodes.length - 1)
  return last
}

/** Probabilities [B, heads, Nq, Nk] of an attention, and its queries, keys and values by head: kept for its gradient. */
function keptAttentions(
  program: Program,
  bytes: (tensor: TensorId) => number,
): Map<ProgramNode, readonly [number, number]> {
  const kept = new Map<ProgramNode, readonly [number, number]>()
  const makers = new Map<TensorId, ProgramNode>()
  for (const [at, node] of program.nodes.entries()) {
    if (node.operation === 'attention') makers.set(node.outputs[1], node)
    const maker = node.operation === 'attentionGradient' ? makers.get(node.inputs[2]) : undefined
    if (maker === undefined) continue
    const split = maker.inputs.reduce((sum, tensor) => sum + bytes(tensor), 0)
    kept.set(maker, [probabilityBytes(program, maker.inputs, maker) + split, at])
  }
  return kept
}

/** What the rules of `onnx/lower` need beside inputs and outputs of a node. */
function temporaryBytes(program: Program, node: ProgramNode, bytes: (tensor: TensorId) => number): number {
  const own = node.outputs.reduce((sum, tensor) => sum + bytes(tensor), 0)
  if (node.operation === 'attentionGradient') return 2 * probabilityBytes(program, node.inputs.slice(3), node) + 2 * own
  return node.operation.startsWith('gelu') ? 2 * own : own
}

/** Bytes of [B, heads, Nq, Nk]; packed inputs are [q|k|v], or [q] and [k|v], with the tokens on the second axis. */
function probabilityBytes(program: Program, packed: readonly TensorId[], { attributes }: ProgramNode): number {
  const shapes = packed.map((tensor) => program.tensors[tensor].shape)
  const [batch, queries] = shapes[0]
  return 4 * batch * Number(attributes.heads) * queries * shapes[shapes.length - 1][1]
}

/** Bytes of the tensors that updates read. */
function gradientBytes(program: Program, float: number): number {
  const tensors = new Set<TensorId>()
  for (const update of program.updates) {
    if (update.kind === 'accumulate') for (const { gradient } of update.entries) tensors.add(gradient)
    if (update.kind === 'adamw') {
      for (const { gradient } of update.entries) if ('tensor' in gradient) tensors.add(gradient.tensor)
    }
  }
  return [...tensors].reduce((sum, tensor) => sum + float * elementCount(program.tensors[tensor].shape), 0)
}
