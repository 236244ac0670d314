import { VideoMaeError } from '../../../core/errors.ts'
import type { Program } from '../../../graph/program.ts'
import { fuseNodes } from '../../plan/fuse.ts'
import { stateSizes } from '../../plan/state-sizes.ts'
import type { ScheduledOutput } from '../../plan/values.ts'
import { operationLowering } from '../operations/index.ts'
import { Lowering, type LoweringContext } from './lowering.ts'
import type { Schedule } from './schedule.ts'
import { lowerUpdate } from './updates.ts'

/**
 * A program in the terms of the device: fused nodes, then outputs, then updates.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation or a size that this engine does not know
 */
export function lowerProgram(program: Program, context: LoweringContext): Schedule {
  const lowering = new Lowering(program, context)
  // cuBLASLt's GELU is the approximation by tanh: near enough in bfloat16, not for parity in float32.
  const nodes = fuseNodes(program, context.precision === 'bfloat16')
  for (const [i, node] of nodes.entries()) {
    const lower = operationLowering(node.operation)
    if (lower === undefined) {
      throw new VideoMaeError(`The operation ${node.operation} of ${program.name} is not known to the CUDA engine.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    lowering.label = `${program.name}: ${node.operation} #${i}`
    lower(lowering, node)
  }
  const outputs = program.outputs.map(({ name, tensor }) => scheduleOutput(lowering, name, tensor))
  const sizes = stateSizes(program)
  for (const [i, update] of program.updates.entries()) {
    lowering.label = `${program.name}: ${update.kind} update #${i}`
    outputs.push(...lowerUpdate(lowering, update, sizes))
  }
  return { name: program.name, values: lowering.values, steps: lowering.steps, outputs }
}

function scheduleOutput(lowering: Lowering, name: string, tensor: number): ScheduledOutput {
  lowering.label = `${lowering.program.name}: output ${name}`
  const dtype = lowering.program.tensors[tensor].dtype
  if (dtype !== 'float32') {
    throw new VideoMaeError(`The output ${name} of ${lowering.program.name} is ${dtype}; outputs are float32.`, {
      code: 'PROGRAM_UNSUPPORTED',
    })
  }
  const count = lowering.count(tensor)
  const from = lowering.read(tensor, 'float32')
  if (lowering.values[from].home.kind === 'arena') return { name, value: from, count }
  // A state is returned as it was before the updates.
  const copy = lowering.temporary(count, 'float32')
  lowering.steps.push({ kind: 'copy', label: lowering.label, from, to: copy, bytes: count * 4 })
  return { name, value: copy, count }
}
