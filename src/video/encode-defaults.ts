/** How videos are prepared unless told otherwise. This file imports nothing: the help of the command line reads it, too. */
export const encodeDefaults = {
  /** Shorter side in pixels. */
  size: 256,
  /** Frames of a group of pictures. */
  group: 8,
  /** Constant rate factor of x264. */
  quality: 20,
  /** Processor seconds one video may take: encoding takes several times as long as decoding, and videos may be long. */
  timeoutSeconds: 1800,
} as const
