import type { Program } from '../graph/program.ts'

/** What a run is fed and what it returns; lengths follow from the program's shapes. */
export type InputValue = Float32Array | Int32Array | Uint8Array
export type RunInputs = Readonly<Record<string, InputValue>>
export type RunOutputs = Record<string, Float32Array>

export interface MemoryUse {
  /** Bytes of parameters, moments and other state. */
  readonly state: number
  /** Bytes of everything else the engine knows it holds (workspaces, outputs); 0 where it cannot know. */
  readonly workspace: number
}

/**
 * Programs compiled together over one state. A session may be used by one caller at a time: `run` before the previous
 * one has settled throws `ENGINE_BUSY`.
 */
export interface EngineSession {
  readonly engine: string
  /** One run of the named program: outputs and the gradient norms its updates report. */
  run(program: string, inputs: RunInputs): Promise<RunOutputs>
  /** Copies of state tensors; all of them where no names are given. */
  readState(names?: readonly string[]): Promise<Map<string, Float32Array>>
  /** Replaces state tensors; those never written are zero. Throws `STATE_UNKNOWN`, `SHAPE_MISMATCH`. */
  writeState(values: ReadonlyMap<string, Float32Array>): Promise<void>
  memory(): Promise<MemoryUse>
  close(): Promise<void>
}

export interface EngineOptions {
  /** Threads for one run; default: the cores this process may use. */
  readonly threads?: number
  /** Engine-specific device or provider, e.g. `cpu`, `cuda:0`. */
  readonly device?: string
  /** Arithmetic of matrix products where the engine offers a choice. Default `float32`. */
  readonly precision?: 'float32' | 'bfloat16'
}

export interface Availability {
  readonly available: boolean
  /** Version and device, or what is missing and how to get it. */
  readonly detail: string
}

export interface Engine {
  readonly name: string
  /** Never throws. */
  probe(): Promise<Availability>
  /** Throws `ENGINE_UNAVAILABLE`, `PROGRAM_UNSUPPORTED`. */
  open(programs: readonly Program[], options?: EngineOptions): Promise<EngineSession>
}
