import { VideoMaeError } from '../../../core/errors.ts'
import { type Program, type ProgramNode, sameShape, type TensorId } from '../../../graph/program.ts'

export interface TensorUses {
  /** Tensors that have to exist under their name: another node, an output or an update reads them. */
  readonly read: ReadonlySet<TensorId>
  /** logSumExp tensors of attentions whose gradient is in the program and reuses their probabilities. */
  readonly differentiated: ReadonlySet<TensorId>
}

/** Statistics that a gradient rule takes from its forward rule directly do not count as read. */
export function tensorUses(program: Program, extra: readonly TensorId[]): TensorUses {
  const read = new Set<TensorId>([...program.outputs.map(({ tensor }) => tensor), ...extra])
  const differentiated = new Set<TensorId>()
  const makers = new Map<TensorId, ProgramNode>()
  for (const node of program.nodes) {
    for (const [i, input] of node.inputs.entries()) {
      const maker = makers.get(input)
      if (node.operation === 'layerNormGradient' && i >= 3 && maker?.operation === 'layerNorm') continue
      if (node.operation === 'attentionGradient' && i === 2 && maker !== undefined && isGradientOf(node, maker)) {
        differentiated.add(input)
        continue
      }
      read.add(input)
    }
    for (const output of node.outputs) makers.set(output, node)
  }
  return { read, differentiated }
}

function isGradientOf(gradient: ProgramNode, forward: ProgramNode): boolean {
  return (
    forward.operation === 'attention' &&
    forward.attributes.heads === gradient.attributes.heads &&
    forward.outputs[1] === gradient.inputs[2] &&
    sameShape(forward.inputs, gradient.inputs.slice(3))
  )
}

export interface BatchedTensors {
  /** The program's static batch size. */
  readonly batch: number
  /** Tensors whose first axis contains the batch. */
  readonly batched: ReadonlySet<TensorId>
}

/**
 * Follows the batch from the inputs through the program.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` where there is no batch or an operation moves it out of the first axis
 */
export function batchedTensors(program: Program): BatchedTensors {
  const batch = program.inputs.length === 0 ? undefined : program.tensors[program.inputs[0].tensor].shape[0]
  if (batch === undefined || batch < 2) {
    throw new VideoMaeError(
      `Expected a program whose first input has a batch of 2 or more, received ${batch ?? 'none'} in ${program.name}.`,
      { code: 'PROGRAM_UNSUPPORTED', hint: 'Build the program that becomes a model of dynamic batch with batch 2.' },
    )
  }
  const carries = (tensor: TensorId): boolean => program.tensors[tensor].shape[0] % batch === 0
  const batched = new Set<TensorId>(program.inputs.map(({ tensor }) => tensor).filter(carries))
  for (const node of program.nodes) {
    const leading = node.operation === 'broadcastLeading' && program.tensors[node.outputs[0]].shape[0] === batch
    if (!leading && !node.inputs.some((input) => batched.has(input))) continue
    for (const output of node.outputs) {
      if (program.tensors[output].shape.length === 0 || node.operation === 'sumLeading') continue
      if (!carries(output)) {
        throw new VideoMaeError(
          `The operation ${node.operation} of ${program.name} gives [${program.tensors[output].shape.join(',')}], where a batch of ${batch} cannot vary.`,
          { code: 'PROGRAM_UNSUPPORTED' },
        )
      }
      batched.add(output)
    }
  }
  return { batch, batched }
}
