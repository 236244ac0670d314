import type { Program } from '../../../graph/program.ts'
import { fuseNodes } from '../../plan/fuse.ts'
import { type EngineLowering, lowerNodes, lowerUpdates } from '../../plan/lower-in-order.ts'
import type { ValueId } from '../../plan/values.ts'
import { integer, Lowering, type LoweringContext, value } from './lowering.ts'
import { operationLowerings } from './operations.ts'
import { type Step, type StepSchedule, stepValues } from './schedule.ts'
import { lowerUpdate } from './updates.ts'

const engineLowering: EngineLowering<Lowering> = {
  engine: 'the native engine',
  operations: operationLowerings,
  output: outputValue,
  update: lowerUpdate,
}

/**
 * A program as calls of kernels: fused nodes, then outputs, then updates.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation or a size that this engine does not know
 */
export function lowerProgram(program: Program, context: LoweringContext): StepSchedule {
  const lowering = new Lowering(program, context)
  const outputs = lowerNodes(lowering, fuseNodes(program, true), engineLowering)
  const computing = lowering.steps.length
  outputs.push(...lowerUpdates(lowering, engineLowering))
  const { values, steps, reduction } = lowering
  const gradients = gradientsOf(lowering, steps.slice(0, computing))
  return { name: program.name, values, steps, outputs, gradients, reduction }
}

/** A state is returned as it was before the updates. */
function outputValue(lowering: Lowering, from: ValueId, count: number): ValueId {
  if (!isState(lowering, from)) return from
  const copy = lowering.temporary(count, 'float32')
  const sizes = [1, count * 4, 0, 0, 0, 0].map(integer)
  lowering.step('copy_blocks', [value(copy), value(from), ...sizes])
  return copy
}

function isState({ values }: Lowering, id: ValueId): boolean {
  const { home } = values[id]
  return home.kind === 'state' || (home.kind === 'view' && isState({ values } as Lowering, home.of))
}

/** Values that updates read as gradients, in the order of the last step that writes each. */
function gradientsOf({ values, steps }: Lowering, computing: readonly Step[]): ValueId[] {
  const sources = new Set<ValueId>()
  for (const { arguments: list } of steps) {
    for (const argument of list) {
      if (argument.kind !== 'rows') continue
      for (const { source } of argument.table.rows) {
        if (source !== null && values[source].home.kind === 'arena') sources.add(source)
      }
    }
  }
  const finished = new Map<ValueId, number>()
  for (const [i, step] of computing.entries()) {
    for (const id of stepValues(step)) if (sources.has(id)) finished.set(id, i)
  }
  const order = (id: ValueId): number => finished.get(id) ?? computing.length
  return [...sources].sort((a, b) => order(a) - order(b) || a - b)
}
