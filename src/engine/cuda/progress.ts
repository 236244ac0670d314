import type { Device, HostBuffer, Kernel, Stream } from './device.ts'

/**
 * How far a program has come on the device: a number in page-locked memory that a small kernel writes between steps. It
 * can still be read when an error has made the device refuse every call, and when no call says any more where the error
 * arose, as in a replayed graph.
 */
export class ProgressCounter {
  private readonly device: Device
  private readonly kernel: Kernel
  private readonly memory: HostBuffer
  private readonly counter: Uint32Array

  constructor(device: Device) {
    this.device = device
    this.kernel = device.kernel({ file: 'progress', entry: 'progress', defines: {} })
    this.memory = device.allocateHost(4, 'the progress of a program')
    this.counter = new Uint32Array(this.memory.data.buffer, this.memory.data.byteOffset, 1)
  }

  get position(): number {
    return this.counter[0]
  }

  /** While nothing on the device writes it. */
  reset(): void {
    this.counter[0] = 0
  }

  /** Sets the position once the stream has come here. Memory of the host has the same address on the device. */
  put(position: number, stream: Stream): void {
    const list = [
      { kind: 'address', value: this.memory.address },
      { kind: 'u32', value: position },
    ] as const
    this.device.launch(this.kernel, { grid: [1, 1, 1], block: [1, 1], shared: 0 }, list, stream)
  }

  free(): void {
    this.memory.free()
  }
}
