import { VideoMaeError } from '../../core/errors.ts'
import type { Decoder, DecoderLimits } from '../types.ts'

/** The `ffmpeg` program as decoder. */
export function createFfmpegDecoder(limits: DecoderLimits = {}): Decoder {
  throw new VideoMaeError(`not yet ${String(limits)}`, { code: 'DECODER_MISSING' })
}
