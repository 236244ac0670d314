/** What inputs and outputs of exported files mean, for their descriptions. */
import type { ModelConfiguration } from '../model/configuration.ts'
import { tokenGrid } from '../model/configuration.ts'
import type { ExportInput } from './check.ts'
import type { SidecarTensor } from './sidecar.ts'

type Meaning = Pick<SidecarTensor, 'axes' | 'values'>

/** Names of the exported model's input and outputs. */
export const exportNames = { uint8: 'frames', float32: 'pixel_values', tokens: 'tokens', pooled: 'pooled' } as const

/** The input of frames, by its name. */
export function frameInput(input: ExportInput): Record<string, Meaning> {
  return input === 'uint8'
    ? {
        [exportNames.uint8]: {
          axes: ['clip', 'frame', 'row', 'column', 'channel'],
          values: 'bytes of the pixels, not normalized',
        },
      }
    : {
        [exportNames.float32]: {
          axes: ['clip', 'frame', 'channel', 'row', 'column'],
          values: 'normalized pixels, see clip.pixels',
        },
      }
}

export function featureOutputs(configuration: ModelConfiguration): Record<string, Meaning> {
  const { t, h, w } = tokenGrid(configuration)
  return {
    [exportNames.tokens]: {
      axes: ['clip', 'token', 'value'],
      values: `one token for each cell of a grid of ${t} time steps, ${h} rows and ${w} columns, in this order`,
    },
    [exportNames.pooled]: { axes: ['clip', 'value'], values: 'features of the clip: the readout of its tokens' },
  }
}

export const classOutputs: Readonly<Record<string, Meaning>> = {
  logits: { axes: ['clip', 'class'], values: 'scores before the softmax; classes in the order of labels' },
  probabilities: { axes: ['clip', 'class'], values: 'softmax of the logits; classes in the order of labels' },
}
