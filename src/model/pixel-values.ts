import type { ModelConfiguration } from './configuration.ts'

/**
 * Frames as Hugging Face processors give them: `(x / 255 - mean) / std` per channel, channels before pixels. Programs
 * normalize uint8 frames themselves; this is for files whose input is float32.
 *
 * @param clips uint8 [n, T, H, W, C]
 * @returns float32 [n, T, C, H, W]
 */
export function pixelValues(
  clips: Uint8Array,
  {
    imageSize: [height, width],
    channels,
    mean,
    std,
  }: Pick<ModelConfiguration, 'imageSize' | 'channels' | 'mean' | 'std'>,
): Float32Array {
  const out = new Float32Array(clips.length)
  const plane = height * width
  for (let frame = 0; frame < clips.length; frame += plane * channels) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++)
        out[frame + c * plane + i] = (clips[frame + i * channels + c] / 255 - mean[c]) / std[c]
    }
  }
  return out
}
