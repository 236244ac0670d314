import type { Attachment } from '../distributed/communicator.ts'
import type { Program } from '../graph/program.ts'
import type { RecomputeMode } from '../graph/recompute.ts'

/** What a run is fed and what it returns; lengths follow from the program's shapes. */
export type InputValue = Float32Array | Int32Array | Uint8Array
/** Values of the inputs of one run, by name. */
export type RunInputs = Readonly<Record<string, InputValue>>
/** Values of the outputs of one run, by name. */
export type RunOutputs = Record<string, Float32Array>

/** Bytes that a session holds. */
export interface MemoryUse {
  /** Bytes of parameters, moments and other state. */
  readonly state: number
  /** Bytes of everything else the engine knows it holds (workspaces, outputs); 0 where it cannot know. */
  readonly workspace: number
}

/**
 * Programs compiled together over one state. A session may be used by one caller at a time: a call before the previous
 * one has settled rejects with `ENGINE_BUSY`, one after `close` with `ENGINE_CLOSED`. A call that rejects because of
 * what it was given has changed nothing. (`check.ts` and `exclusive.ts` do this for every engine.)
 */
export interface EngineSession {
  /** Name of the engine. */
  readonly engine: string
  /** See `Engine.variant`. */
  readonly variant?: string | null
  /**
   * One run of the named program: outputs and the gradient norms its updates report. Outputs show the state before the
   * updates. The caller may reuse the input arrays once the run has settled, and owns the output arrays.
   *
   * Rejects with `PROGRAM_UNKNOWN`, `INPUT_MISSING`, `INPUT_UNKNOWN`, `INPUT_TYPE`, `INPUT_LENGTH`, `INDEX_RANGE`.
   */
  run(program: string, inputs: RunInputs): Promise<RunOutputs>
  /**
   * Announces inputs of the next run of a program, also while a run is under way: an engine whose device has memory of
   * its own copies them there meanwhile. That run has to be given the very same arrays, unchanged; it may be given
   * others next to them. A later announcement replaces an earlier one. Absent where nothing is gained by it.
   *
   * Rejects as `run` does for a program or an input that does not fit, and with `ENGINE_CLOSED`.
   */
  prefetch?(program: string, inputs: RunInputs): Promise<void>
  /**
   * Asks the run under way to end before it changes the state: it then rejects with `ENGINE_CANCELED`. A run that has come to its
   * updates ends as usual. Without a run under way nothing happens. Absent or without effect where an engine cannot do it.
   */
  cancel?(): void
  /** Copies of state tensors; all of them where no names are given. Rejects with `STATE_UNKNOWN`. */
  readState(names?: readonly string[]): Promise<Map<string, Float32Array>>
  /**
   * Replaces state tensors; those never written are zero. Rejects with `STATE_UNKNOWN`, `SHAPE_MISMATCH` before anything
   * is written.
   */
  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void>
  /** Bytes that the session holds. */
  memory(): Promise<MemoryUse>
  /** Waits for a call under way, then frees everything. Closing again is no error. */
  close(): Promise<void>
}

/** Arithmetic of matrix products; what surrounds them stays float32 where docs/engines.md says so. */
export type Precision = 'float32' | 'bfloat16' | 'float16'

/** How a session computes: threads, precision, device. */
export interface EngineOptions {
  /** Threads for one run; default: the cores this process may use. */
  readonly threads?: number
  /** Engine-specific device or provider, e.g. `cpu`, `cuda:0`. */
  readonly device?: string
  /** Arithmetic of matrix products where the engine offers a choice. Default `float32`. */
  readonly precision?: Precision
  /** Memory for time, where the engine offers it: what the backward pass computes again. Default `none`. */
  readonly recompute?: RecomputeMode
  /** The ranks that `reduce` updates sum over, where the engine can do that. Default: this process alone. */
  readonly ranks?: Attachment
}

/** Whether an engine runs on this machine, and why not. */
export interface Availability {
  /** Whether the engine runs here. */
  readonly available: boolean
  /** Version and device, or what is missing and how to get it. */
  readonly detail: string
}

/** Runs programs: `native`, `onnx`, `cuda`, `webgpu`, `tfjs` or `reference`. See docs/engines.md. */
export interface Engine {
  /** As in the option `engine.name`. */
  readonly name: string
  /** Whether it runs here, as far as can be told within a second. Rejects only with `INTERRUPTED`. */
  probe(): Promise<Availability>
  /**
   * What the numbers of the engine depend on next to its name and precision, e.g. the level of the processor that its
   * kernels are compiled for: the same for the same numbers. Null or absent where nothing is known. Never throws.
   */
  variant?(): string | null
  /**
   * Refuses options that no session can have on this machine, before anything is opened; `open` refuses them too. Absent where every
   * option is right. Rejects with `INVALID_ARGUMENT`, `ENGINE_UNAVAILABLE`, `PROGRAM_UNSUPPORTED` (ranks).
   */
  requireOptions?(options: EngineOptions): Promise<void>
  /**
   * Does what the first use on a machine needs, such as compiling kernels; `open` does it too. Absent where there is
   * nothing to do. Rejects with what keeps the engine from running after all.
   */
  prepare?(): Promise<void>
  /**
   * Compiles programs of different names that share state by name. Rejects with `ENGINE_UNAVAILABLE`,
   * `PROGRAM_UNSUPPORTED` (an operation that the engine does not know), `NAME_TAKEN` (two programs of one name),
   * `SHAPE_MISMATCH` (one state with two shapes).
   */
  open(programs: readonly Program[], options?: EngineOptions): Promise<EngineSession>
}
