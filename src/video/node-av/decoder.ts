import { AV_LOG_QUIET } from 'node-av/constants'
import { getFFmpegInfo, Log } from 'node-av/lib'
import { defaultMaxPixels } from '../limits.ts'
import type { Decoder, DecoderLimits, OpenVideo } from '../types.ts'
import { NodeAvVideo } from './video.ts'

/** FFmpeg's libraries inside this process. Every call is synchronous below its promise: run it in a decoding process. */
export function createNodeAvDecoder(limits: DecoderLimits = {}): Decoder {
  // The libraries print every irregularity of every file; what matters becomes an error that names the file.
  Log.setLevel(AV_LOG_QUIET)
  const maxPixels = limits.maxPixels ?? defaultMaxPixels
  return {
    name: 'node-av',
    describe: () => `node-av (FFmpeg ${getFFmpegInfo().version})`,
    open: async (path: string): Promise<OpenVideo> => new NodeAvVideo(path, maxPixels),
  }
}
