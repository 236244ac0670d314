import { VideoMaeError } from '../../../core/errors.ts'
import type { Program } from '../../../graph/program.ts'
import { fuseNodes } from '../../plan/fuse.ts'
import { stateSizes } from '../../plan/state-sizes.ts'
import type { ScheduledOutput, ValueId } from '../../plan/values.ts'
import { operationLowering } from '../operations/index.ts'
import { integer, Lowering, type LoweringContext, value } from './lowering.ts'
import { type Schedule, type Step, stepValues } from './schedule.ts'
import { lowerUpdate } from './updates.ts'

/**
 * A program as calls of kernels: fused nodes, then outputs, then updates.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation or a size that this engine does not know
 */
export function lowerProgram(program: Program, context: LoweringContext): Schedule {
  const lowering = new Lowering(program, context)
  for (const [i, node] of fuseNodes(program, true).entries()) {
    const lower = operationLowering(node.operation)
    if (lower === undefined) {
      throw new VideoMaeError(`The operation ${node.operation} of ${program.name} is not known to the native engine.`, {
        code: 'PROGRAM_UNSUPPORTED',
      })
    }
    lowering.label = `${program.name}: ${node.operation} #${i}`
    lower(lowering, node)
  }
  const outputs = program.outputs.map(({ name, tensor }) => scheduleOutput(lowering, name, tensor))
  const computing = lowering.steps.length
  const sizes = stateSizes(program)
  for (const [i, update] of program.updates.entries()) {
    lowering.label = `${program.name}: ${update.kind} update #${i}`
    outputs.push(...lowerUpdate(lowering, update, sizes))
  }
  const { values, steps } = lowering
  return { name: program.name, values, steps, outputs, gradients: gradientsOf(lowering, steps.slice(0, computing)) }
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
  if (!isState(lowering, from)) return { name, value: from, count }
  // A state is returned as it was before the updates.
  const copy = lowering.temporary(count, 'float32')
  const sizes = [1, count * 4, 0, 0, 0, 0].map(integer)
  lowering.step('copy_blocks', [value(copy), value(from), ...sizes])
  return { name, value: copy, count }
}

function isState({ values }: Lowering, id: ValueId): boolean {
  const { home } = values[id]
  return home.kind === 'state' || (home.kind === 'view' && isState({ values } as Lowering, home.of))
}

/** Values that updates read as gradients, in the order in which the last step that writes them stands. */
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
  const place = (id: ValueId): number => finished.get(id) ?? computing.length
  return [...sources].sort((a, b) => place(a) - place(b) || a - b)
}
