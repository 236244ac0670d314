import type { RunInputs } from '../engine.ts'
import type { Device, DeviceAddress, DeviceBuffer, DeviceEvent, HostBuffer, Stream } from './device.ts'
import type { InputLayout } from './input-layout.ts'

/**
 * Brings inputs to the device. A run's inputs go through page-locked memory straight into the block that the programs
 * read; a batch that is fed ahead is copied to a second block on a stream of its own, while the step before it still
 * computes, and then only moved on the device.
 */
export class InputFeed {
  readonly block: DeviceBuffer
  private readonly device: Device
  private readonly bytes: number
  private readonly staging: HostBuffer
  private readonly copies: Stream
  private readonly arrived: DeviceEvent
  private readonly taken: DeviceEvent
  private ahead: { readonly block: DeviceBuffer; readonly staging: HostBuffer } | null = null
  private waiting: { readonly program: string; readonly inputs: RunInputs } | null = null

  /** @param bytes the largest layout of the session's programs */
  constructor(device: Device, bytes: number) {
    this.device = device
    this.bytes = bytes
    this.block = device.allocate(bytes, 'the inputs of one step')
    this.staging = device.allocateHost(bytes)
    this.copies = device.createStream()
    this.arrived = device.createEvent()
    this.taken = device.createEvent()
  }

  get address(): DeviceAddress {
    return this.block.address
  }

  /** Starts the copy of a later run's inputs. They are recognised by identity when that run comes. */
  prefetch(program: string, inputs: RunInputs, layout: InputLayout): void {
    this.ahead ??= {
      block: this.device.allocate(this.bytes, 'the inputs of the next step'),
      staging: this.device.allocateHost(this.bytes),
    }
    // The staging memory may still be read by the copy before, the block by the move before.
    this.device.synchronize(this.copies)
    this.device.wait(this.copies, this.taken)
    layout.pack(inputs, this.ahead.staging.data)
    this.device.copyToDevice(this.ahead.block.address, this.ahead.staging, 0, layout.bytes, this.copies)
    this.device.record(this.arrived, this.copies)
    this.waiting = { program, inputs }
  }

  /** Puts what a run reads on its stream, ahead of the run. */
  deliver(program: string, inputs: RunInputs, layout: InputLayout, stream: Stream): void {
    if (layout.bytes === 0) return
    const { waiting, ahead } = this
    if (ahead !== null && waiting?.program === program && sameInputs(waiting.inputs, inputs)) {
      this.waiting = null
      this.device.wait(stream, this.arrived)
      this.device.copyOnDevice(this.block.address, ahead.block.address, layout.bytes, stream)
      this.device.record(this.taken, stream)
      return
    }
    layout.pack(inputs, this.staging.data)
    this.device.copyToDevice(this.block.address, this.staging, 0, layout.bytes, stream)
  }
}

function sameInputs(a: RunInputs, b: RunInputs): boolean {
  return Object.keys(a).every((name) => a[name] === b[name])
}
