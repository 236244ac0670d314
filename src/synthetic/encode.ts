import { VideoMaeError } from '../core/errors.ts'

export interface EncodeOptions {
  readonly width: number
  readonly height: number
  readonly framesPerSecond: number
  /** Largest distance between keyframes, in frames. Default 12, so that seeking is exercised. */
  readonly keyframeInterval?: number
  /** x264 constant rate factor; 18 is visually lossless. Default 18. */
  readonly quality?: number
}

/**
 * Writes RGB frames as an H.264 file; the container follows the file name (mp4, mkv, mov, ...).
 *
 * @param frames uint8 [T, H, W, 3]
 * @throws VideoMaeError `ENCODER_FAILED`
 */
export async function encodeFrameBytes(path: string, frames: Uint8Array, options: EncodeOptions): Promise<void> {
  const { width, height, framesPerSecond } = options
  const frameBytes = width * height * 3
  const count = frames.length / frameBytes
  if (!Number.isInteger(count) || count === 0) {
    throw new VideoMaeError(
      `Expected whole frames of ${width}x${height} RGB (${frameBytes} bytes each), received ${frames.length} bytes.`,
      { code: 'SHAPE_MISMATCH' },
    )
  }
  const [{ Encoder, Muxer }, { Frame, Log, Rational, SoftwareScaleContext }, constants] = await Promise.all([
    import('node-av/api'),
    import('node-av/lib'),
    import('node-av/constants'),
  ])
  const timeBase = { num: 1, den: framesPerSecond }
  try {
    // x264 reports its statistics at every close; only errors are of interest.
    Log.setLevel(constants.AV_LOG_ERROR)
    // One thread, and no vector code: on small frames its choices differ from run to run, and so would the bytes of the file.
    using encoder = await Encoder.create(constants.FF_ENCODER_LIBX264, {
      gopSize: options.keyframeInterval ?? 12,
      options: { preset: 'veryfast', crf: options.quality ?? 18, 'x264-params': 'threads=1:asm=0' },
    })
    await using output = await Muxer.open(path)
    const stream = output.addStream(encoder)
    using scaler = new SoftwareScaleContext()
    const { AV_PIX_FMT_RGB24, AV_PIX_FMT_YUV420P, SWS_BILINEAR } = constants
    scaler.getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P, SWS_BILINEAR)
    const write = async (frame: InstanceType<typeof Frame> | null): Promise<void> => {
      for (const packet of await encoder.encodeAll(frame)) {
        using owned = packet
        await output.writePacket(owned, stream)
      }
    }
    for (let t = 0; t < count; t++) {
      const pts = BigInt(t)
      const pixels = Buffer.from(frames.buffer, frames.byteOffset + t * frameBytes, frameBytes)
      using rgb = Frame.fromVideoBuffer(pixels, { width, height, format: AV_PIX_FMT_RGB24, timeBase, pts })
      using yuv = new Frame()
      yuv.alloc()
      yuv.width = width
      yuv.height = height
      yuv.format = AV_PIX_FMT_YUV420P
      yuv.allocBuffer()
      scaler.scaleFrameSync(yuv, rgb)
      yuv.pts = pts
      yuv.timeBase = new Rational(timeBase.num, timeBase.den)
      await write(yuv)
    }
    await write(null)
  } catch (cause) {
    throw new VideoMaeError(
      `The video ${path} could not be encoded: ${cause instanceof Error ? cause.message : cause}`,
      {
        code: 'ENCODER_FAILED',
        exit: 'environment',
        hint: 'Run `videomae doctor` to see whether node-av works on this machine.',
        cause,
      },
    )
  }
}
