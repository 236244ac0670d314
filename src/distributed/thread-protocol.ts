import type { ReduceOperation } from './communicator.ts'

/** Three numbers: whether to end all ranks, with which exit code, and whether the thread leaves the library. Shared with the thread. */
export type EndRequest = Int32Array

/** What a thread that serves collective calls says once all ranks have started. */
export interface Started {
  /** Of the library. */
  readonly path: string
  readonly version: string
  readonly rank: number
  readonly size: number
  /** Of NCCL: the handle of the communicator, and the GPU that it belongs to. */
  readonly onDevice?: { readonly communicator: bigint; readonly device: number }
}

export type CollectiveRequest =
  | { readonly call: 'allReduce'; readonly values: Float32Array | Float64Array; readonly operation: ReduceOperation }
  | { readonly call: 'broadcast'; readonly bytes: Uint8Array; readonly root: number }
  | { readonly call: 'gather'; readonly bytes: Uint8Array }
  | { readonly call: 'barrier' }
  | { readonly call: 'close' }

/** What the calls answer: the arrays, as they are behind them. */
export type CollectiveResult = Float32Array | Float64Array | Uint8Array | readonly Uint8Array[] | null

export interface PostedRequest {
  readonly number: number
  readonly request: CollectiveRequest
}

/** `number` 0 is the answer to being started. */
export type ThreadReply =
  | { readonly number: number; readonly result: CollectiveResult | Started }
  | { readonly number: number; readonly error: PostedFailure }

export interface PostedFailure {
  readonly message: string
  readonly code: string
  readonly hint: string | undefined
}
