import { type ExitKind, VideoMaeError } from '../../core/errors.ts'
import type { Program } from '../../graph/program.ts'
import type { EngineOptions, MemoryUse, RunInputs, RunOutputs } from '../engine.ts'

/** What the thread starts with. */
export interface ThreadStart {
  /** URL of the compiled module that exports the engine. */
  readonly module: string
  readonly exportName: string
}

/** A thread serves one session after another, each from `open` to `close`. */
export type Request =
  | { readonly call: 'open'; readonly programs: readonly Program[]; readonly options: EngineOptions }
  | {
      readonly call: 'run'
      readonly program: string
      readonly inputs: RunInputs
      /** Inputs that the last `prefetch` has brought. */
      readonly announced: readonly string[]
    }
  | { readonly call: 'prefetch'; readonly program: string; readonly inputs: RunInputs }
  | { readonly call: 'readState'; readonly names: readonly string[] | undefined }
  | { readonly call: 'writeState'; readonly values: ReadonlyMap<string, Float32Array> }
  | { readonly call: 'memory' }
  | { readonly call: 'cancel' }
  | { readonly call: 'close' }

/** A request with its number, by which the reply names it: a `prefetch` or `cancel` is answered while a `run` is under way. */
export interface Posted {
  readonly number: number
  readonly request: Request
}

/** What each call answers with. */
export interface Results {
  readonly open: { readonly prefetches: boolean; readonly cancels: boolean }
  readonly run: RunOutputs
  readonly prefetch: undefined
  readonly readState: Map<string, Float32Array>
  readonly writeState: undefined
  readonly memory: MemoryUse
  readonly cancel: undefined
  readonly close: undefined
}

export type Reply = { readonly number: number } & (
  | { readonly result: Results[keyof Results] }
  | { readonly error: PostedError }
)

/** An error as plain data: structured cloning would drop code and hint. */
export interface PostedError {
  readonly message: string
  readonly code: string
  readonly exit: ExitKind
  readonly hint: string | undefined
  readonly stack: string | undefined
}

export function postError(error: unknown): PostedError {
  if (error instanceof VideoMaeError) {
    const { message, code, exit, hint, stack } = error
    return { message, code, exit, hint, stack }
  }
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  return { message, code: 'ENGINE_FAILED', exit: 'internal', hint: undefined, stack }
}

/** The error as the thread saw it, with the thread's stack as its cause. */
export function reviveError({ message, code, exit, hint, stack }: PostedError): VideoMaeError {
  const cause = new Error('in the thread of the engine')
  if (stack !== undefined) cause.stack = stack
  return new VideoMaeError(message, { code, exit, hint, cause })
}
