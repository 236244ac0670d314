import { elementCount, type Program } from '../../graph/program.ts'
import { type RecomputeMode, recomputeActivations } from '../../graph/recompute.ts'
import { type StateShapes, stateBytes } from '../check.ts'
import { InputLayout } from '../plan/input-layout.ts'
import { align, lifetimes, type MemoryPlan, planMemory } from '../plan/memory-plan.ts'
import { lowerProgram } from './lowering/lower-program.ts'
import type { LoweringContext } from './lowering/lowering.ts'
import { type StepSchedule, stepValues } from './lowering/schedule.ts'
import type { MemoryRequirement } from './memory-requirement.ts'

export interface PlannedProgram {
  readonly program: Program
  readonly schedule: StepSchedule
  readonly layout: InputLayout
  readonly plan: MemoryPlan
}

/** Everything a session knows before it touches the device. */
export interface SessionPlan {
  readonly programs: readonly PlannedProgram[]
  /** States of which some program reads a bfloat16 copy. */
  readonly copies: ReadonlySet<string>
  /** Bytes; programs run one at a time and share one arena and one input block. */
  readonly need: MemoryRequirement
}

/** Throws `PROGRAM_UNSUPPORTED`. */
export function planSession(
  programs: readonly Program[],
  shapes: StateShapes,
  context: LoweringContext,
  recompute: RecomputeMode,
): SessionPlan {
  const planned = programs.map((program): PlannedProgram => {
    const schedule = lowerProgram(recomputeActivations(program, recompute), context)
    return { program, schedule, layout: new InputLayout(program), plan: planMemory(lifetimes(schedule, stepValues)) }
  })
  const copies = new Set(planned.flatMap(({ schedule }) => copiedStates(schedule)))
  const copyBytes = [...copies].reduce((sum, name) => sum + align(elementCount(shapes.get(name) ?? []) * 2), 0)
  const need = {
    state: stateBytes(shapes) + copyBytes,
    workspace: Math.max(0, ...planned.map(({ plan }) => plan.bytes)),
    inputs: Math.max(0, ...planned.map(({ layout }) => layout.bytes)),
  }
  return { programs: planned, copies, need }
}

function copiedStates({ values }: StepSchedule): string[] {
  return values.flatMap(({ home }) => (home.kind === 'copy' ? [home.state] : []))
}
