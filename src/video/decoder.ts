import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { createFfmpegDecoder } from './ffmpeg/decoder.ts'
import type { Decoder, DecoderLimits, DecoderName } from './types.ts'

/**
 * Loads a decoder.
 *
 * @throws VideoMaeError `DECODER_MISSING` when it is not on this machine; `INVALID_ARGUMENT` for another name
 */
export async function createDecoder(name: DecoderName = 'node-av', limits: DecoderLimits = {}): Promise<Decoder> {
  if (name === 'ffmpeg') return createFfmpegDecoder(limits)
  if (name !== 'node-av') throw invalidArgument('decoder', 'node-av or ffmpeg', name)
  // Loaded only here: the native library is large, and machines without a build of it can still use the program.
  const module = await import('./node-av/decoder.ts').catch((cause: unknown) => {
    throw new VideoMaeError(
      `Expected node-av to load on ${process.platform}-${process.arch}, but it failed: ${String(cause)}.`,
      {
        code: 'DECODER_MISSING',
        exit: 'environment',
        hint: 'Reinstall the package, or install an ffmpeg program and use `--decoder ffmpeg`.',
        cause,
      },
    )
  })
  return module.createNodeAvDecoder(limits)
}

/** Whether a decoder runs on this machine, and why not. */
export interface DecoderProbe {
  /** Name of the decoder. */
  readonly name: DecoderName
  /** Whether the decoder runs here. */
  readonly available: boolean
  /** Version, or what is missing and how to get it. */
  readonly detail: string
}

/** Which decoders work on this machine. */
export async function probeDecoders(): Promise<DecoderProbe[]> {
  const probes: DecoderProbe[] = []
  for (const name of ['node-av', 'ffmpeg'] as const) {
    try {
      probes.push({ name, available: true, detail: (await createDecoder(name)).describe() })
    } catch (error) {
      const detail =
        error instanceof VideoMaeError ? [error.message, error.hint].filter(Boolean).join(' ') : String(error)
      probes.push({ name, available: false, detail })
    }
  }
  return probes
}

/** What decodes videos, with its version, for records that name no path of this machine; null where it does not load here. */
export async function decoderRecord(name: DecoderName = 'node-av'): Promise<string | null> {
  const decoder = await createDecoder(name).catch(() => null)
  // The ffmpeg program says where it is.
  return decoder?.describe().replace(/ \((?!FFmpeg )[^()]*\)$/, '') ?? null
}
