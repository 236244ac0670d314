import { elementCount, type Program, type ProgramNode, type TensorId, type TensorSpec } from './program.ts'
import { keptCuts } from './recompute-cuts.ts'

/**
 * What of the forward pass is computed a second time for the backward pass, instead of being kept from one to the other
 * (Chen et al. 2016, "Training deep nets with sublinear memory cost"):
 *
 * - `none`: nothing.
 * - `cheap`: results of one pass over data that is kept anyway: normalized tokens, GELUs, patches.
 * - `blocks`: everything between a few tensors through which all of the forward pass flows, such as the residual stream
 *   between transformer blocks. Costs most of a second forward pass.
 */
export const recomputeModes = ['none', 'cheap', 'blocks'] as const
export type RecomputeMode = (typeof recomputeModes)[number]

/** Operations that read less than, or about as much as, a copy of their output would. */
const cheapOperations = new Set(['layerNorm', 'gelu', 'patchify'])

/**
 * The same program with copies of forward nodes in front of the backward nodes that read their results, so that the
 * originals need not live until then. Copies have the operation, the attributes and the values of their originals: an
 * engine whose kernels repeat bit by bit returns the same bits.
 *
 * The backward pass begins with the first gradient operation; a program without one is returned as it is.
 */
export function recomputeActivations(program: Program, mode: RecomputeMode): Program {
  const backward = program.nodes.findIndex(({ operation }) => beginsBackward(operation))
  if (mode === 'none' || backward < 0) return program
  const uses = new Uses(program, backward)
  const dropped = mode === 'cheap' ? cheapResults(program, uses) : withinBlocks(program, uses)
  // Outputs live to the end whatever is done.
  for (const { tensor } of program.outputs) dropped.delete(tensor)
  return withCopies(program, uses, dropped)
}

/** linearInputGradient is also the product with a matrix that is not transposed, which models use forward. */
const beginsBackward = (operation: string): boolean =>
  operation.endsWith('Gradient') && operation !== 'linearInputGradient'

/** Who makes and who reads the tensors of a program: positions of nodes. */
class Uses {
  /** Nodes from this one on belong to the backward pass. */
  readonly backward: number
  readonly producer = new Map<TensorId, number>()
  readonly lastForwardReader = new Map<TensorId, number>()
  readonly firstBackwardReader = new Map<TensorId, number>()
  readonly lastBackwardReader = new Map<TensorId, number>()

  constructor(program: Program, backward: number) {
    this.backward = backward
    for (const [i, { inputs, outputs }] of program.nodes.entries()) {
      for (const output of outputs) this.producer.set(output, i)
      for (const input of inputs) {
        if (i < backward) {
          this.lastForwardReader.set(input, i)
        } else {
          if (!this.firstBackwardReader.has(input)) this.firstBackwardReader.set(input, i)
          this.lastBackwardReader.set(input, i)
        }
      }
    }
  }
}

/** Results of cheap operations whose inputs are there at least as long as they are needed. */
function cheapResults({ nodes }: Program, uses: Uses): Set<TensorId> {
  const dropped = new Set<TensorId>()
  for (const { operation, inputs, outputs } of nodes.slice(0, uses.backward)) {
    const needed = uses.firstBackwardReader.get(outputs[0])
    if (!cheapOperations.has(operation) || needed === undefined) continue
    const [source] = inputs
    const lives = !uses.producer.has(source) || (uses.lastBackwardReader.get(source) ?? -1) >= needed
    if (lives) dropped.add(outputs[0])
  }
  return dropped
}

/**
 * What is between the kept ones of the tensors through which everything flows. Values that depend on no input (slices
 * of parameters, say) are kept: they do not grow with the batch. So is what follows the last of them: the backward pass
 * needs it at once.
 */
function withinBlocks(program: Program, uses: Uses): Set<TensorId> {
  const { nodes, tensors } = program
  const fromInputs = dependents(program, new Set(program.inputs.map(({ tensor }) => tensor)))
  const fromState = dependents(program, new Set(program.state.map(({ tensor }) => tensor)))
  const size = (tensor: TensorId): number => elementCount(tensors[tensor].shape)
  const cuts = bottlenecks(nodes, uses, (tensor) => fromInputs.has(tensor) && fromState.has(tensor))
  const weights = nodes.slice(0, uses.backward).map(({ operation, outputs }) =>
    // A reshaped tensor is the memory of its input.
    operation === 'reshape' ? 0 : outputs.reduce((sum, tensor) => sum + (fromInputs.has(tensor) ? size(tensor) : 0), 0),
  )
  const kept = keptCuts(
    cuts.map(({ at, tensor }) => ({ at, size: size(tensor) })),
    weights,
  ).map((i) => cuts[i])
  const last = kept.at(-1)?.at ?? -1
  const dropped = new Set(nodes.slice(0, last + 1).flatMap(({ outputs }) => outputs.filter((t) => fromInputs.has(t))))
  for (const { tensor } of kept) dropped.delete(tensor)
  return dropped
}

/** The tensors that depend on one of `sources`, those included. */
function dependents({ nodes }: Program, sources: ReadonlySet<TensorId>): Set<TensorId> {
  const found = new Set(sources)
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((input) => found.has(input))) for (const output of outputs) found.add(output)
  }
  return found
}

interface Bottleneck {
  /** Position of the node that makes the tensor. */
  readonly at: number
  readonly tensor: TensorId
}

/** Forward nodes whose result is all of the flow that the forward pass still reads. */
function bottlenecks(
  nodes: readonly ProgramNode[],
  uses: Uses,
  flows: (tensor: TensorId) => boolean,
): readonly Bottleneck[] {
  const found: Bottleneck[] = []
  const live = new Set<TensorId>()
  for (const [at, { outputs }] of nodes.slice(0, uses.backward).entries()) {
    for (const output of outputs) if (flows(output)) live.add(output)
    for (const tensor of live) if ((uses.lastForwardReader.get(tensor) ?? -1) <= at) live.delete(tensor)
    const [tensor] = live
    if (live.size === 1 && outputs.includes(tensor)) found.push({ at, tensor })
  }
  return found
}

/** Every needed copy comes before the first node that reads it, a backward node or another copy. */
function withCopies(program: Program, uses: Uses, dropped: ReadonlySet<TensorId>): Program {
  const neededAt = new Map<TensorId, number>()
  for (const tensor of dropped) {
    const reader = uses.firstBackwardReader.get(tensor)
    if (reader !== undefined) neededAt.set(tensor, reader)
  }
  const tensors: TensorSpec[] = [...program.tensors]
  const copyOf = new Map<TensorId, TensorId>()
  const placed = new Map<number, ProgramNode[]>()
  for (let i = uses.backward - 1; i >= 0; i--) {
    const node = program.nodes[i]
    const before = Math.min(...node.outputs.map((tensor) => neededAt.get(tensor) ?? Number.POSITIVE_INFINITY))
    if (!Number.isFinite(before)) continue
    for (const input of node.inputs) {
      if (dropped.has(input)) neededAt.set(input, Math.min(before, neededAt.get(input) ?? before))
    }
    const outputs = node.outputs.map((tensor) => tensors.push(tensors[tensor]) - 1)
    for (const [k, tensor] of node.outputs.entries()) if (dropped.has(tensor)) copyOf.set(tensor, outputs[k])
    // Those in front of one node are met in reverse.
    placed.set(before, [{ ...node, outputs }, ...(placed.get(before) ?? [])])
  }
  const reading = (node: ProgramNode): ProgramNode => ({
    ...node,
    inputs: node.inputs.map((tensor) => copyOf.get(tensor) ?? tensor),
  })
  const nodes = program.nodes.flatMap((node, i) =>
    i < uses.backward ? [node] : [...(placed.get(i) ?? []), node].map(reading),
  )
  return { ...program, tensors, nodes }
}
