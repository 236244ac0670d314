import { VideoMaeError } from '../../core/errors.ts'
import { elementCount, type Program } from '../../graph/program.ts'
import type { Device } from './device.ts'
import { productWorkspaceBytes } from './driver/product.ts'

/** Bytes that a session is going to allocate. */
export interface MemoryRequirement {
  readonly state: number
  readonly workspace: number
  readonly inputs: number
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`

/**
 * Compares what the programs need with what the GPU has free, before anything is allocated.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY` with the numbers and, where fewer samples would fit, how many
 */
export function requireMemory(device: Device, programs: readonly Program[], need: MemoryRequirement): void {
  const free = device.freeMemory()
  // Inputs twice: the next batch arrives while a step runs.
  const perStep = need.workspace + 2 * need.inputs
  const total = need.state + perStep + productWorkspaceBytes
  if (total <= free) return
  const batch = batchSize(programs)
  const fitting = Math.floor((batch * (free - need.state - productWorkspaceBytes)) / perStep)
  const advice =
    fitting >= 1
      ? `Reduce the batch size from ${batch} to at most ${fitting} and accumulate gradients over more micro-batches.`
      : 'Use a smaller model or fewer frames, or a GPU with more memory.'
  throw new VideoMaeError(
    `The programs need ${mib(total)} of GPU memory (${mib(need.state)} for parameters, moments and other state, ${mib(need.workspace)} for activations and gradients, ${mib(2 * need.inputs)} for inputs), but ${device.description.name} has ${mib(free)} free of ${mib(device.description.totalMemory)}.`,
    { code: 'OUT_OF_MEMORY', exit: 'environment', hint: advice },
  )
}

/** The leading size of the largest input: what people call the batch size. */
function batchSize(programs: readonly Program[]): number {
  const shapes = programs.flatMap((program) => program.inputs.map(({ tensor }) => program.tensors[tensor].shape))
  const largest = shapes.reduce<readonly number[]>((a, b) => (elementCount(b) > elementCount(a) ? b : a), [])
  return largest[0] ?? 1
}
