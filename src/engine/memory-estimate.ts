/** How much memory of the machine the programs of a session will take, from their shapes alone, before anything is allocated. */
import { elementCount, type Program, type ProgramNode, type TensorId } from '../graph/program.ts'
import { collectStates, stateBytes } from './check.ts'
import type { EngineOptions } from './engine.ts'
import { planSession } from './native/session-plan.ts'
import type { FloatType } from './plan/values.ts'
import { requirePrecision } from './precision.ts'

export interface MemoryEstimate {
  /** Bytes of parameters, moments, averages and accumulators. */
  readonly state: number
  /** Bytes of the gradients that updates read. */
  readonly gradients: number
  /** Bytes of activations and of what operations need meanwhile, at the moment when most of them are alive. */
  readonly workspace: number
}

/** What decides how much an engine takes, as it is given to the engine. */
export type EstimateOptions = Pick<EngineOptions, 'precision' | 'recompute'>

/**
 * What an engine takes of the machine's own memory. For `cuda` that is a copy of the state: what the GPU needs is compared with
 * what it has when the session is opened.
 *
 * `webgpu` and `tfjs` are estimated as `onnx` is, with the state twice, before and after an update: many GPUs share the memory of
 * the machine.
 *
 * Every program of an `onnx` session keeps what it has once taken, so their workspaces add up.
 *
 * @param engine name of the engine; one that is not known counts as `onnx`
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED`, `INVALID_ARGUMENT`
 */
export function estimateMemory(
  engine: string,
  programs: readonly Program[],
  options: EstimateOptions = {},
): MemoryEstimate {
  const float = engine === 'reference' ? 8 : 4
  const state = stateBytes(collectStates(programs), float)
  if (engine === 'cuda') return { state, gradients: 0, workspace: 0 }
  const gradients = Math.max(0, ...programs.map((program) => gradientBytes(program, float)))
  if (engine === 'native') return nativeEstimate(programs, state, gradients, options)
  if (engine === 'reference') {
    // Every tensor of a run is there until its end, also copies of the state.
    const all = programs.map(({ tensors }) => tensors.reduce((sum, { shape }) => sum + float * elementCount(shape), 0))
    return { state, gradients, workspace: Math.max(0, ...all) - gradients }
  }
  const peaks = programs.map((program) => peakBytes(program))
  const copies = engine === 'webgpu' || engine === 'tfjs' ? 2 : 1
  return { state: copies * state, gradients, workspace: arenaFactor * peaks.reduce((sum, peak) => sum + peak, 0) }
}

/** Values in a panel of the widest vectors; narrower ones round up less. */
const panelColumns = 48

/** The plan that the session makes, but for the working memory of threads. */
function nativeEstimate(
  programs: readonly Program[],
  states: number,
  gradients: number,
  { precision, recompute = 'none' }: EstimateOptions,
): MemoryEstimate {
  const panelBytes = (inner: number, columns: number, type: FloatType): number =>
    Math.ceil(columns / panelColumns) * panelColumns * inner * (type === 'float32' ? 4 : 2)
  const plan = planSession(programs, { precision: requirePrecision('native', precision), panelBytes }, recompute)
  const copies = [...plan.copies.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  return { state: states + copies, gradients, workspace: Math.max(0, plan.workspace - gradients) + plan.inputs }
}

/**
 * Resident memory of ONNX Runtime's arena over the most bytes that are alive at once: blocks that do not fit exactly, and an order
 * of nodes that is not that of the program. Measured, see dev/engine-onnx.md.
 */
const arenaFactor = 1.13

/** The most bytes of intermediate tensors of an `onnx` program that are alive at once, when nodes run in its order. */
function peakBytes(program: Program): number {
  const width = { float32: 4, int32: 4, uint8: 1 }
  const bytes = (tensor: TensorId): number => {
    const { shape, dtype } = program.tensors[tensor]
    return elementCount(shape) * width[dtype]
  }
  const last = lastUses(program)
  const kept = keptAttentions(program, bytes)
  const ends: number[] = program.nodes.map(() => 0)
  let alive = 0
  let peak = 0
  for (const [at, node] of program.nodes.entries()) {
    let made = 0
    for (const output of node.outputs) {
      const end = last.get(output)
      // What nothing reads, updates read: it is among the gradients. A reshaped tensor is its input.
      if (end === undefined || node.operation === 'reshape') continue
      made += bytes(output)
      ends[end] += bytes(output)
    }
    const [size, until] = kept.get(node) ?? [0, at]
    made += size
    ends[until] += size
    alive += made
    peak = Math.max(peak, alive + temporaryBytes(program, node, bytes))
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

/** What the rules of `onnx/lowering` need next to inputs and outputs of a node. */
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
