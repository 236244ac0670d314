import type { ReduceOperation } from '../communicator.ts'

/** What the thread of MPI starts with. */
export interface MpiStart {
  /** Libraries to try, in order. */
  readonly libraries: readonly string[]
  /** Two numbers: whether to end all ranks, and with which exit code. */
  readonly ending: Int32Array
}

/** What the thread says once all ranks have started. */
export interface MpiStarted {
  readonly path: string
  readonly version: string
  readonly abi: string
  readonly rank: number
  readonly size: number
}

export type MpiRequest =
  | { readonly call: 'allReduce'; readonly values: Float32Array | Float64Array; readonly operation: ReduceOperation }
  | { readonly call: 'broadcast'; readonly bytes: Uint8Array; readonly root: number }
  | { readonly call: 'gather'; readonly bytes: Uint8Array }
  | { readonly call: 'barrier' }
  | { readonly call: 'close' }

/** What the calls answer: the arrays, as they are behind them. */
export type MpiResult = Float32Array | Float64Array | Uint8Array | readonly Uint8Array[] | null

export interface PostedRequest {
  readonly number: number
  readonly request: MpiRequest
}

/** `number` 0 is the answer to being started. */
export type MpiReply =
  | { readonly number: number; readonly result: MpiResult | MpiStarted }
  | { readonly number: number; readonly error: PostedFailure }

export interface PostedFailure {
  readonly message: string
  readonly code: string
  readonly hint: string | undefined
}
