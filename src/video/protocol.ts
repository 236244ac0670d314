import type { ClipRequest, ClipResult } from './clip.ts'
import type { EncodedVideo, EncodeRequest } from './encode-video.ts'
import type { DecoderLimits, DecoderName } from './types.ts'

/** Messages between the loader and its decoding processes. Pixels never travel in them: they go through the shared file. */

/** Descriptor, in a decoding process, of a pipe whose other end the parent holds as long as it lives (0-2 standard, 3 messages). */
export const lifeline = 4

/** Descriptor of the shared file in a decoding process. */
export const sharedDescriptor = 5

export interface ProcessSettings {
  readonly decoder: DecoderName
  readonly limits: DecoderLimits
}

export interface ToProcess {
  readonly id: number
  readonly request: ClipRequest | EncodeRequest
  /** Where in the shared file the clips go. */
  readonly offset: number
}

export interface Failure {
  readonly code: string
  /** One line that names the file. */
  readonly reason: string
  readonly hint?: string
}

export type FromProcess =
  | { readonly kind: 'ready'; readonly decoder: string }
  /** It can decode nothing: the decoder does not load, or, later, the machine refused what every video needs. The parent ends it. */
  | { readonly kind: 'unable'; readonly failure: Failure }
  | { readonly kind: 'done'; readonly id: number; readonly result: ClipResult }
  | { readonly kind: 'encoded'; readonly id: number; readonly result: EncodedVideo }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
