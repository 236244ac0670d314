/** Whether a run fits into the memory that this process can get, before anything big is allocated. */
import { availableParallelism } from 'node:os'
import { availableMemory } from '../core/available-memory.ts'
import { VideoMaeError } from '../core/errors.ts'
import { type EstimateOptions, estimateMemory } from '../engine/memory-estimate.ts'
import { elementCount, type Program } from '../graph/program.ts'
import type { ParameterShapes } from '../model/model-state.ts'
import type { TrainingPrograms } from '../model/training-programs.ts'

/** Bytes of memory of the machine. */
export interface MemoryNeed {
  /** Parameters, moments, averages and accumulators, and gradients. */
  readonly state: number
  /** Activations. */
  readonly workspace: number
  /** Weights and moments on their way into a checkpoint. */
  readonly saving: number
  /** Decoding processes, and clips that wait for the engine. */
  readonly data: number
  /** The program itself. */
  readonly program: number
  readonly total: number
  /** What this process can get. */
  readonly available: number
}

/** Resident memory of the program and the engine with nothing to compute, and of one decoding process. Measured. */
export const programBytes = (engine: string): number =>
  engine === 'reference' ? 100e6 : engine === 'native' ? 130e6 : 150e6
export const decodingBytes = 120e6

export interface MemoryQuestion {
  readonly engine: string
  /** As the engine gets it. */
  readonly options?: EstimateOptions
  readonly training: TrainingPrograms
  /** Programs that are opened next to those that train. */
  readonly others?: readonly Program[]
  /** Decoding processes; null: one per core. */
  readonly workers: number | null
  /** Default: what this process can get. */
  readonly available?: number
}

/** What a run needs. */
export function memoryNeed({ engine, options, training, others = [], workers, available }: MemoryQuestion): MemoryNeed {
  return programsNeed({
    engine,
    options,
    programs: [...training.programs, ...others],
    // Weights and both moments are read from the engine, and the starting weights, or a file on its way, are there next to them. Measured:
    // scripts/bench/memory-estimate.ts.
    saving: 4 * weightBytes(training.parameters),
    workers: workers ?? availableParallelism(),
    available,
  })
}

export interface ProgramsQuestion {
  readonly engine: string
  readonly options?: EstimateOptions
  /** Of one session; the first one is what clips are for. */
  readonly programs: readonly Program[]
  /** Bytes of weights that are held outside of the engine. */
  readonly saving: number
  /** Decoding processes. */
  readonly workers: number
  /** Bytes of other data that stays in memory. Default 0. */
  readonly data?: number
  /** Default: what this process can get. */
  readonly available?: number
}

/** What a session, and the data on its way there, need. */
export function programsNeed({
  engine,
  options,
  programs,
  saving,
  workers,
  data = 0,
  available = availableMemory(),
}: ProgramsQuestion): MemoryNeed {
  const { state, gradients, workspace } = estimateMemory(engine, programs, options)
  const [{ inputs, tensors }] = programs
  const batch = inputs.reduce((sum, { tensor }) => {
    const { shape, dtype } = tensors[tensor]
    return sum + elementCount(shape) * (dtype === 'uint8' ? 1 : 4)
  }, 0)
  const parts = {
    state: state + gradients,
    workspace,
    saving,
    // The batch of the run under way, the next one, and the engine's copy.
    data: workers * decodingBytes + 3 * batch + data,
    program: programBytes(engine),
  }
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0)
  return { ...parts, total, available }
}

/** Bytes of weights in float32. */
export function weightBytes(parameters: ParameterShapes): number {
  return [...parameters.values()].reduce((sum, shape) => sum + 4 * elementCount(shape), 0)
}

/**
 * Refuses what does not fit.
 *
 * @param advice what to do instead; called only where it does not fit
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers
 */
export function requireMemory(need: MemoryNeed, advice: () => string): void {
  if (need.total <= need.available) return
  throw new VideoMaeError(
    `Expected a run that fits into the available memory (${formatBytes(need.available)}), but it needs about ${formatNeed(need)}.`,
    { code: 'OUT_OF_MEMORY', exit: 'environment', hint: advice() },
  )
}

/**
 * What to do about a training that does not fit.
 *
 * @param smaller what fewer clips per run need, largest first: batch.perRun and its need
 */
export function trainingAdvice(
  available: number,
  smaller: readonly { readonly perRun: number; readonly need: MemoryNeed }[],
): string {
  const fitting = smaller.find(({ need }) => need.total <= available)
  const advice =
    fitting === undefined
      ? 'No number of clips fits: use a smaller model, fewer frames or a lower resolution, another recipe, or a machine with more memory'
      : `Set batch.perRun=${fitting.perRun} (${formatBytes(fitting.need.total)}; gradients are averaged over more passes, the steps stay the same)`
  return `${advice}, or a GPU (--engine cuda). --force starts the run anyway.`
}

/** `7.3 GB (parameters, moments and gradients 1.5 GB, activations 5.1 GB, ...)`. */
export function formatNeed({ state, workspace, saving, data, program, total }: MemoryNeed): string {
  const parts = [
    `parameters, moments and gradients ${formatBytes(state)}`,
    `activations ${formatBytes(workspace)}`,
    `saving ${formatBytes(saving)}`,
    `decoding ${formatBytes(data)}`,
    `the program ${formatBytes(program)}`,
  ]
  return `${formatBytes(total)} (${parts.join(', ')})`
}

/** `7.3 GB`, `120 MB`. */
export function formatBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`
}
