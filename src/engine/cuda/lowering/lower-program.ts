import type { Program } from '../../../graph/program.ts'
import { fuseNodes } from '../../plan/fuse.ts'
import { type EngineLowering, lowerNodes, lowerUpdates } from '../../plan/lower-in-order.ts'
import type { ValueId } from '../../plan/values.ts'
import { Lowering, type LoweringContext } from './lowering.ts'
import { operationLowerings } from './operations.ts'
import type { StepSchedule } from './schedule.ts'
import { sumsAhead } from './sums-ahead.ts'
import { lowerUpdate } from './updates.ts'

const engineLowering: EngineLowering<Lowering> = {
  engine: 'the CUDA engine',
  operations: operationLowerings,
  output: outputValue,
  update: lowerUpdate,
}

/**
 * A program in the terms of the device: fused nodes, then outputs, then updates.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation or a size that this engine does not know
 */
export function lowerProgram(program: Program, context: LoweringContext): StepSchedule {
  const lowering = new Lowering(program, context)
  // cuBLASLt's GELU is the approximation by tanh: near enough in bfloat16, not for parity in float32.
  const nodes = fuseNodes(program, context.precision === 'bfloat16')
  const outputs = [...lowerNodes(lowering, nodes, engineLowering), ...lowerUpdates(lowering, engineLowering)]
  const steps = sumsAhead(lowering.steps, lowering.values)
  return { name: program.name, values: lowering.values, steps, outputs }
}

/** A state is returned as it was before the updates. */
function outputValue(lowering: Lowering, from: ValueId, count: number): ValueId {
  if (lowering.values[from].home.kind === 'arena') return from
  const copy = lowering.temporary(count, 'float32')
  lowering.steps.push({ kind: 'copy', label: lowering.label, from, to: copy, bytes: count * 4 })
  return copy
}
