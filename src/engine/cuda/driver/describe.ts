import type { DeviceDescription } from '../device.ts'
import type { CudaLibrary } from './cuda-library.ts'

/** Values of cuda.h. */
const attributes = { multiprocessors: 16, major: 75, minor: 76, sharedMemoryPerBlock: 97 } as const

/** Name, architecture and sizes of a GPU. */
export function describeDevice(cuda: CudaLibrary, device: number): DeviceDescription {
  const name = Buffer.alloc(256)
  cuda.call('cuDeviceGetName', name, name.length, device)
  const attribute = (which: number): number => cuda.integer('cuDeviceGetAttribute', which, device)
  return {
    name: name.toString('utf8', 0, name.indexOf(0)),
    architecture: `sm_${attribute(attributes.major)}${attribute(attributes.minor)}`,
    multiprocessors: attribute(attributes.multiprocessors),
    totalMemory: Number(cuda.handle('cuDeviceTotalMem_v2', device)),
    sharedMemoryPerBlock: attribute(attributes.sharedMemoryPerBlock),
  }
}
