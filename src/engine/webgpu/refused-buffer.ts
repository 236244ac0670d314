import { VideoMaeError } from '../../core/errors.ts'
import { elementCount, formatSpec, type Program } from '../../graph/program.ts'

/**
 * What Dawn says where a buffer is larger than the adapter allows, or than the memory that is left, and ONNX Runtime where a tensor has
 * more parts of the largest binding than a shader may bind.
 */
const refusal =
  /Invalid Buffer|max buffer size limit|maximum storage buffer binding size|size too large|out of memory|Failed to create GPU buffer|Too many storage buffers in shader/i

/** The error of a run that failed on the device; where a buffer was refused, it names the limits and the largest tensor. */
export function deviceFailure(program: Program, cause: unknown): VideoMaeError {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (!refusal.test(message)) {
    return new VideoMaeError(`ONNX Runtime failed in ${program.name} on WebGPU: ${message}`, {
      code: 'ENGINE_FAILED',
      exit: 'environment',
      cause,
    })
  }
  const { what, bytes } = largestTensor(program)
  return new VideoMaeError(
    `The WebGPU adapter refused a buffer in ${program.name}. The largest tensor is ${what}, ${bytes} bytes. The adapter's limits maxBufferSize and maxStorageBufferBindingSize, or its memory, are below what the program needs: ${message.split('\n')[0]}`,
    {
      code: 'OUT_OF_MEMORY',
      exit: 'environment',
      hint: 'Use fewer clips at once (batch.perRun), fewer frames, a smaller crop or a smaller model, or the engine native.',
      cause,
    },
  )
}

/** The largest tensor of a program: one buffer has to hold it. */
export function largestTensor(program: Program): { readonly what: string; readonly bytes: number } {
  const width = { float32: 4, int32: 4, uint8: 1 }
  let largest = { what: 'none', bytes: 0 }
  for (const node of program.nodes) {
    for (const output of node.outputs) {
      const spec = program.tensors[output]
      const bytes = elementCount(spec.shape) * width[spec.dtype]
      if (bytes > largest.bytes) largest = { what: `${formatSpec(spec)} of ${node.operation}`, bytes }
    }
  }
  return largest
}
