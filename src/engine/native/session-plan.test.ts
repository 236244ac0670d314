import { expect, test } from 'vitest'
import { presetConfiguration } from '../../model/presets.ts'
import { buildPretrainProgram } from '../../model/pretrain.ts'
import { planSession } from './session-plan.ts'

const { programs } = buildPretrainProgram({
  configuration: presetConfiguration('small'),
  batch: 2,
  visible: 160,
  masked: 1408,
  optimizer: {},
})

test.each([
  ['float32', ['panels']],
  ['bfloat16', ['panels', 'transposedPanels']],
] as const)(
  'in %s a training step keeps weights as %j: float32 input gradients read the weights themselves',
  (precision, forms) => {
    const bytes = { float32: 4, bfloat16: 2 }
    const panelBytes = (inner: number, columns: number, type: 'float32' | 'bfloat16') => inner * columns * bytes[type]
    const { copies } = planSession(programs, { precision, panelBytes }, 'none')
    expect([...new Set([...copies.values()].map(({ form }) => form))].sort()).toEqual(forms)
  },
)
