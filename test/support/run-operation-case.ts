import { CudaSession, type CudaSessionOptions } from '../../src/engine/cuda/session.ts'
import type { RunOutputs } from '../../src/engine/engine.ts'
import { ReferenceSession } from '../../src/engine/reference/session.ts'
import type { Program } from '../../src/graph/program.ts'
import type { OperationCase } from './case-builder.ts'
import type { EmulatedDeviceOptions } from './cuda-emulation/emulated-device.ts'
import { openTestDevice } from './cuda-test-device.ts'

/** Nearest bfloat16, as float32. */
export function roundToBfloat16(values: Float32Array): Float32Array {
  const rounded = values.slice()
  const bits = new Uint32Array(rounded.buffer)
  for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) & 0xffff_0000
  return rounded
}

/** The case with float leaves that bfloat16 can hold: what is left are the errors of the kernel. */
export function roundLeaves(made: OperationCase): OperationCase {
  const inputs = Object.fromEntries(
    Object.entries(made.inputs).map(([name, value]) => [
      name,
      value instanceof Float32Array ? roundToBfloat16(value) : value,
    ]),
  )
  const state = new Map([...made.state].map(([name, value]) => [name, roundToBfloat16(value)]))
  return { ...made, inputs, state }
}

export async function runReference({ program, inputs, state }: OperationCase): Promise<RunOutputs> {
  const session = new ReferenceSession([program])
  await session.writeState(state)
  const outputs = await session.run(program.name, inputs)
  await session.close()
  return outputs
}

/** One run on a fresh test device. */
export async function runOnDevice(
  { program, inputs, state }: OperationCase,
  options: CudaSessionOptions & { readonly device?: EmulatedDeviceOptions },
): Promise<RunOutputs> {
  const session = openTestSession([program], options)
  try {
    await session.writeState(state)
    return await session.run(program.name, inputs)
  } finally {
    await session.close()
  }
}

export function openTestSession(
  programs: readonly Program[],
  options: CudaSessionOptions & { readonly device?: EmulatedDeviceOptions },
): CudaSession {
  const device = openTestDevice(options.device)
  try {
    return new CudaSession(device, programs, options)
  } catch (error) {
    device.close()
    throw error
  }
}
