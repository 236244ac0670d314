/** A pretraining run of two steps on one thread, for encoders whose quality does not matter. */
import type { RunInput } from '../../src/train/configuration.ts'

/** @param data folder of the videos */
export function tinyRun(data: string, more: Partial<RunInput> = {}): RunInput {
  return {
    data: { path: data, samplesPerClip: 2, workers: 1 },
    clip: { stride: 1 },
    mask: { ratio: 0.5 },
    model: {
      ...{ frames: 4, resolution: 32, patch: 16, width: 16, depth: 1, heads: 2 },
      decoder: { width: 16, depth: 1, heads: 2 },
    },
    batch: { size: 4 },
    schedule: { duration: '2 steps', warmup: '0 steps' },
    log: { tensorboard: false },
    engine: { threads: 1 },
    ...more,
  }
}
