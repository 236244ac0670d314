import type { Program } from '../../graph/program.ts'
import { type RecomputeMode, recomputeActivations } from '../../graph/recompute.ts'
import { InputLayout } from '../plan/input-layout.ts'
import { lifetimes, type MemoryPlan, planMemory } from '../plan/memory-plan.ts'
import type { CopyForm, RowRange, Value } from '../plan/values.ts'
import { lowerProgram } from './lowering/lower-program.ts'
import type { LoweringContext } from './lowering/lowering.ts'
import { type StepSchedule, stepValues } from './lowering/schedule.ts'

export interface PlannedProgram {
  readonly program: Program
  readonly schedule: StepSchedule
  readonly layout: InputLayout
  readonly plan: MemoryPlan
}

/** Panels of a state, or of some of its rows, that some program reads. */
export interface PlannedCopy {
  readonly state: string
  readonly form: CopyForm
  readonly rows: RowRange
  readonly bytes: number
}

/** Everything that a session knows before it has memory. */
export interface SessionPlan {
  readonly programs: readonly PlannedProgram[]
  readonly copies: ReadonlyMap<string, PlannedCopy>
  /** Bytes; programs run one at a time and share one arena and one input block. */
  readonly workspace: number
  readonly inputs: number
}

/** Throws `PROGRAM_UNSUPPORTED`. */
export function planSession(
  programs: readonly Program[],
  context: LoweringContext,
  recompute: RecomputeMode,
): SessionPlan {
  const planned = programs.map((program): PlannedProgram => {
    const schedule = lowerProgram(recomputeActivations(program, recompute), context)
    return { program, schedule, layout: new InputLayout(program), plan: planArena(schedule) }
  })
  const copies = new Map<string, PlannedCopy>()
  for (const { schedule } of planned) {
    for (const value of schedule.values) {
      const copy = plannedCopy(value)
      if (copy !== null) copies.set(copyKey(copy), copy)
    }
  }
  return {
    programs: planned,
    copies,
    workspace: Math.max(0, ...planned.map(({ plan }) => plan.bytes)),
    inputs: Math.max(0, ...planned.map(({ layout }) => layout.bytes)),
  }
}

/** Gradients are one behind the other, as the backward pass finishes them: they can be reduced in few pieces. */
function planArena(schedule: StepSchedule): MemoryPlan {
  const lives = lifetimes(schedule, stepValues)
  const order = new Map(schedule.gradients.map((value, i) => [value, i]))
  const together = lives
    .filter(({ value }) => order.has(value))
    .sort((a, b) => (order.get(a.value) ?? 0) - (order.get(b.value) ?? 0))
  return planMemory(
    lives.filter(({ value }) => !order.has(value)),
    together,
  )
}

function plannedCopy({ home, bytes }: Value): PlannedCopy | null {
  if (home.kind !== 'copy' || home.rows === null) return null
  return { state: home.state, form: home.form, rows: home.rows, bytes }
}

export const copyKey = ({ state, form, rows }: Omit<PlannedCopy, 'bytes'>): string =>
  `${form} ${rows.first} ${rows.count} ${state}`
