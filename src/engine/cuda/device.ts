/**
 * What the engine asks of a GPU. The one implementation, `driver/driver-device.ts`, speaks the C interfaces of the CUDA
 * driver, NVRTC and cuBLASLt; tests give it emulations of these libraries, so that every line above the libraries, and
 * every kernel, runs on machines without a GPU.
 */
export type DeviceAddress = bigint

export interface DeviceDescription {
  readonly name: string
  /** e.g. `sm_90`. */
  readonly architecture: string
  readonly multiprocessors: number
  /** Bytes. */
  readonly totalMemory: number
  /** Most shared memory a block may ask for, bytes. */
  readonly sharedMemoryPerBlock: number
}

export interface DeviceBuffer {
  readonly address: DeviceAddress
  readonly bytes: number
  free(): void
}

/** Page-locked memory of the host: copies to and from it run next to the program. */
export interface HostBuffer {
  readonly data: Uint8Array
  readonly address: bigint
  free(): void
}

/** Opaque to the engine. */
export type Stream = { readonly handle: unknown }
export type DeviceEvent = { readonly handle: unknown }

/** One entry point of a kernel file, with the definitions that it is compiled with. */
export interface KernelSource {
  /** File in `kernels/` without extension. */
  readonly file: string
  readonly entry: string
  readonly defines: Readonly<Record<string, string | number>>
}

export interface Kernel {
  readonly source: KernelSource
}

export type KernelArgument =
  | { readonly kind: 'address'; readonly value: DeviceAddress }
  | { readonly kind: 'u32'; readonly value: number }
  | { readonly kind: 'f32'; readonly value: number }

export interface LaunchSize {
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number]
  /** Dynamic shared memory, bytes. */
  readonly shared: number
}

/**
 * Row-major `D [rows, columns] = op(A) op(B)`; A is stored as [rows, inner], transposed as [inner, rows]; B as
 * [inner, columns], transposed as [columns, inner]. float32 accumulation; float32 operands never use TF32.
 */
export interface MatmulShape {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly transposeA: boolean
  readonly transposeB: boolean
  /** Type of A and B. */
  readonly input: 'float32' | 'bfloat16'
  /** Type of D, of the addend, and of bias and auxiliary matrix. */
  readonly output: 'float32' | 'bfloat16'
  /** Adds a matrix of D's shape. */
  readonly addend: boolean
  /**
   * bias: adds a vector [columns]. gelu / biasGelu: D is the (tanh-approximated) GELU of the product, which itself
   * goes to the auxiliary matrix. geluGradient: D is the product times GELU'(auxiliary). rowSums: the bias vector
   * [rows] receives the sums of op(A) over `inner`.
   */
  readonly epilogue: 'none' | 'bias' | 'gelu' | 'biasGelu' | 'geluGradient' | 'rowSums'
}

export interface MatmulOperands {
  readonly a: DeviceAddress
  readonly b: DeviceAddress
  readonly d: DeviceAddress
  readonly addend: DeviceAddress | null
  readonly bias: DeviceAddress | null
  readonly auxiliary: DeviceAddress | null
}

/** A product prepared for one shape and one set of addresses; `run` may be captured. */
export interface PreparedMatmul {
  run(stream: Stream): void
  free(): void
}

export interface CapturedGraph {
  launch(stream: Stream): void
  free(): void
}

/** What the device is at work for, as an error should say it. */
export interface Activity {
  readonly what: string
  /** Whether that is one operation, not one of several. */
  readonly exact: boolean
}

export interface Device {
  /** Asked when a call fails. Errors of asynchronous work surface at any later call. */
  doing: (() => Activity) | null
  readonly description: DeviceDescription
  /** Versions of driver and libraries, for people. */
  readonly versions: string
  freeMemory(): number
  /** Throws `OUT_OF_MEMORY`. */
  allocate(bytes: number, purpose: string): DeviceBuffer
  /** Throws `OUT_OF_MEMORY`. */
  allocateHost(bytes: number, purpose: string): HostBuffer
  createStream(): Stream
  createEvent(timed?: boolean): DeviceEvent
  record(event: DeviceEvent, stream: Stream): void
  /** Work put on the stream from now on waits for the event. */
  wait(stream: Stream, event: DeviceEvent): void
  /** Whether all work before the event is done. Throws what went wrong on the device. */
  finished(event: DeviceEvent): boolean
  elapsedMilliseconds(from: DeviceEvent, to: DeviceEvent): number
  synchronize(stream: Stream): void
  copyToDevice(to: DeviceAddress, from: HostBuffer, offset: number, bytes: number, stream: Stream): void
  copyToHost(to: HostBuffer, offset: number, from: DeviceAddress, bytes: number, stream: Stream): void
  copyOnDevice(to: DeviceAddress, from: DeviceAddress, bytes: number, stream: Stream): void
  fill(to: DeviceAddress, byte: number, bytes: number, stream: Stream): void
  /** Compiles, or finds in the cache, and loads. Throws `KERNEL_COMPILATION_FAILED`. */
  kernel(source: KernelSource): Kernel
  launch(kernel: Kernel, size: LaunchSize, values: readonly KernelArgument[], stream: Stream): void
  /** Whether the library has an algorithm for this shape and epilogue. */
  supportsMatmul(shape: MatmulShape): boolean
  /** Chooses the algorithm: measured once per shape, then remembered. `label` names the operation in errors. */
  matmul(shape: MatmulShape, operands: MatmulOperands, label: string): PreparedMatmul
  /** Records what `work` puts on the stream instead of running it. */
  capture(stream: Stream, work: () => void): CapturedGraph
  /** Frees everything that is left. */
  close(): void
}
