import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { decoding } from '../support/decoding.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'

/** Two steps on the videos of a folder, from fresh weights with small patches or from those of another run. */
export function pretrainOn(data: string, out: string, from: string | null = null) {
  const usual = tinyRun(data)
  const model = from === null ? { ...usual.model, patch: 8 } : { from }
  return pretrain(runSchema.parse({ ...usual, mask: { ratio: 0.75 }, model }), { out, processes: decoding })
}
