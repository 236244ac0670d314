import type { DriverDevice } from '../../src/engine/cuda/driver/driver-device.ts'
import { findLibraries } from '../../src/engine/cuda/driver/find.ts'
import { openDevice } from '../../src/engine/cuda/driver/open.ts'
import { emulationMissing } from './cuda-emulation/build.ts'
import { type EmulatedDeviceOptions, EmulationControls, openEmulatedDevice } from './cuda-emulation/emulated-device.ts'

/** VIDEOMAE_CUDA_TEST=hardware runs the suites on the first GPU of the machine instead of the emulation. */
const onHardware = process.env.VIDEOMAE_CUDA_TEST === 'hardware'

/** Where the suites run, for their titles. */
export const testDeviceName = onHardware ? 'the GPU' : 'the emulated device'

/** Why the suites cannot run, or null. */
export function testDeviceMissing(): string | null {
  if (!onHardware) return emulationMissing()
  const { missing } = findLibraries()
  return missing.length === 0 ? null : missing.map(({ advice }) => advice).join(' ')
}

/** One more hold on the GPU's context: without it every closed device would tear it down and the next build it anew. */
const context = onHardware && testDeviceMissing() === null ? openDevice(0) : null

export function openTestDevice(options: EmulatedDeviceOptions = {}): DriverDevice {
  return context !== null ? openDevice(0) : openEmulatedDevice(options)
}

/** Only the emulation can choose. */
export function setThreadOrder(order: 'ascending' | 'descending'): void {
  if (!onHardware) new EmulationControls().setOrder(order)
}
