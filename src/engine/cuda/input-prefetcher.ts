import type { RunInputs } from '../engine.ts'
import type { InputLayout, InputSlot } from '../plan/input-layout.ts'
import type { Device, DeviceAddress, DeviceBuffer, DeviceEvent, HostBuffer, Stream } from './device.ts'

/** What has been announced for a later run and is on its way, or there. */
interface Announced {
  readonly program: string
  readonly inputs: RunInputs
  readonly slots: readonly InputSlot[]
}

/**
 * Brings inputs to the device. A run's inputs go through page-locked memory straight into the block that the programs
 * read; what is announced ahead is copied to a second block on a stream of its own, while the step before it still
 * computes, and then only moved on the device.
 */
export class InputPrefetcher {
  private readonly block: DeviceBuffer
  private readonly device: Device
  private readonly bytes: number
  private readonly staging: HostBuffer
  private readonly copies: Stream
  /** The announced inputs have reached the second block. */
  private readonly arrived: DeviceEvent
  /** The run has moved them out of it. */
  private readonly taken: DeviceEvent
  private second: { readonly block: DeviceBuffer; readonly staging: HostBuffer } | null = null
  private announced: Announced | null = null

  /** @param bytes the largest layout of the session's programs */
  constructor(device: Device, bytes: number) {
    this.device = device
    this.bytes = bytes
    this.block = device.allocate(bytes, 'the inputs of one step')
    this.staging = device.allocateHost(bytes, 'the inputs of one step')
    this.copies = device.createStream()
    this.arrived = device.createEvent()
    this.taken = device.createEvent()
  }

  /** Of the block that programs read. */
  get address(): DeviceAddress {
    return this.block.address
  }

  /** Bytes on the device. */
  get bytesHeld(): number {
    return this.block.bytes + (this.second?.block.bytes ?? 0)
  }

  /** Starts the copy of inputs of a later run. They are recognized by identity when that run comes. */
  prefetch(program: string, inputs: RunInputs, layout: InputLayout): void {
    const [device, copies] = [this.device, this.copies]
    this.second ??= {
      block: device.allocate(this.bytes, 'the inputs of the next step'),
      staging: device.allocateHost(this.bytes, 'the inputs of the next step'),
    }
    const { block, staging } = this.second
    this.announced = null
    // The copy before may still read the staging memory; it waits for no step, so this wait is short.
    device.synchronize(copies)
    device.wait(copies, this.taken)
    const slots = layout.pack(inputs, staging.data)
    for (const { offset, bytes } of slots) {
      device.copyToDevice(block.address + BigInt(offset), staging, offset, bytes, copies)
    }
    device.record(this.arrived, copies)
    this.announced = { program, inputs, slots }
  }

  /** Puts what a run reads on its stream, ahead of the run. */
  deliver(program: string, inputs: RunInputs, layout: InputLayout, stream: Stream): void {
    const [device, block] = [this.device, this.block]
    const there = this.take(program, inputs)
    if (there.length > 0 && this.second !== null) {
      const from = this.second.block.address
      device.wait(stream, this.arrived)
      for (const { offset, bytes } of there) {
        device.copyOnDevice(block.address + BigInt(offset), from + BigInt(offset), bytes, stream)
      }
      device.record(this.taken, stream)
    }
    const rest = Object.fromEntries(
      Object.entries(inputs).filter(([name]) => there.every((slot) => slot.name !== name)),
    )
    for (const { offset, bytes } of layout.pack(rest, this.staging.data)) {
      device.copyToDevice(block.address + BigInt(offset), this.staging, offset, bytes, stream)
    }
  }

  /** Slots of the run's inputs that were announced for it. An announcement serves one run. */
  private take(program: string, inputs: RunInputs): readonly InputSlot[] {
    const announced = this.announced
    if (announced === null || announced.program !== program) return []
    this.announced = null
    return announced.slots.filter(({ name }) => announced.inputs[name] === inputs[name])
  }
}
