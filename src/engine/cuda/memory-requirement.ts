import { VideoMaeError } from '../../core/errors.ts'
import { grouped } from '../../core/grouped.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import type { Device } from './device.ts'
import { matmulWorkspaceBytes } from './driver/matmul.ts'

/** Bytes that a session is going to allocate. */
export interface MemoryRequirement {
  readonly state: number
  /** Of activations and gradients. */
  readonly workspace: number
  /** Of one step. */
  readonly inputs: number
}

export const formatMib = (bytes: number): string => `${grouped(Math.ceil(bytes / 2 ** 20))} MiB`

/** Inputs twice: the next batch arrives while a step runs. */
const perStep = ({ workspace, inputs }: MemoryRequirement): number => workspace + 2 * inputs
const total = (need: MemoryRequirement): number => need.state + perStep(need) + matmulWorkspaceBytes

/**
 * Compares what the programs need with what the GPU has free, before anything is allocated.
 *
 * @param recomputing what they would need if activations were recomputed, where they are not yet
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers, and what would fit: recomputation, fewer samples
 */
export function requireDeviceMemory(
  device: Device,
  programs: readonly Program[],
  need: MemoryRequirement,
  recomputing: (() => MemoryRequirement) | null = null,
): void {
  const free = device.freeMemory()
  if (total(need) <= free) return
  const { name, totalMemory } = device.description
  const parts = [
    `${formatMib(need.state)} for parameters, moments and other state`,
    `${formatMib(need.workspace)} for activations and gradients`,
    `${formatMib(2 * need.inputs)} for inputs`,
  ]
  throw new VideoMaeError(
    `The programs need ${formatMib(total(need))} of GPU memory (${parts.join(', ')}), but ${name} has ${formatMib(free)} free of ${formatMib(totalMemory)}.`,
    { code: 'OUT_OF_MEMORY', exit: 'environment', hint: advice(programs, free, need, recomputing?.() ?? null) },
  )
}

function advice(
  programs: readonly Program[],
  free: number,
  need: MemoryRequirement,
  recomputing: MemoryRequirement | null,
): string {
  const parts: string[] = []
  if (recomputing !== null && total(recomputing) <= free) {
    parts.push(
      `Set engine.recompute to blocks: then ${formatMib(total(recomputing))} are enough, but steps take longer.`,
    )
  }
  const batch = batchSize(programs)
  const fitting = Math.floor((batch * (free - need.state - matmulWorkspaceBytes)) / perStep(need))
  if (fitting >= 1) {
    parts.push(
      `Reduce the clips of one run (batch.perRun) from ${batch} to at most ${fitting}; gradients are then averaged over more runs.`,
    )
  }
  return parts.length > 0 ? parts.join(' Or: ') : 'Use a smaller model or fewer frames, or a GPU with more memory.'
}

/** The leading size of the largest input: what people call the batch size. */
function batchSize(programs: readonly Program[]): number {
  const shapes = programs.flatMap((program) => program.inputs.map(({ tensor }) => program.tensors[tensor].shape))
  const largest = shapes.reduce<readonly number[]>((a, b) => (elementCount(b) > elementCount(a) ? b : a), [])
  return largest[0] ?? 1
}
