import { defaultMaxPixels } from '../limits.ts'
import type { Decoder, DecoderLimits, OpenVideo } from '../types.ts'
import { findFfmpeg } from './program.ts'
import { openWithProgram } from './video.ts'

/**
 * The `ffmpeg` program as decoder, for platforms without a node-av build. Same frames and same filters; much slower, because it decodes a file
 * once to learn its frames and starts a program for every clip.
 */
export function createFfmpegDecoder(limits: DecoderLimits = {}): Decoder {
  const program = findFfmpeg()
  const checked = { maxPixels: limits.maxPixels ?? defaultMaxPixels, timeoutSeconds: limits.timeoutSeconds ?? 60 }
  return {
    name: 'ffmpeg',
    describe: () => `ffmpeg program ${program.version} (${program.path})`,
    open: (path: string): Promise<OpenVideo> => openWithProgram(program, path, checked),
  }
}
