import { describe, expect, test } from 'vitest'
import { presetConfiguration } from '../../model/presets.ts'
import { buildPretrainProgram } from '../../model/pretrain.ts'
import { collectStates } from '../check.ts'
import { planSession } from './session-plan.ts'

const { programs } = buildPretrainProgram({
  configuration: presetConfiguration('small'),
  batch: 8,
  visible: 160,
  masked: 1408,
  optimizer: {},
})

describe('the memory of a ViT-S pretraining step', () => {
  test.each(['float32', 'bfloat16'] as const)('in %s shrinks with what is recomputed', (precision) => {
    const context = { precision, multiprocessors: 132, sharedMemoryPerBlock: 227 << 10, supportsMatmul: () => true }
    const [none, cheap, blocks] = (['none', 'cheap', 'blocks'] as const).map(
      (mode) => planSession(programs, collectStates(programs), context, mode).need,
    )
    expect(cheap.workspace).toBeLessThan(0.75 * none.workspace)
    expect(blocks.workspace).toBeLessThan(0.4 * none.workspace)
    // Only activations: state and inputs are what they were.
    expect(cheap.state).toBe(none.state)
    expect(blocks).toEqual({ ...none, workspace: blocks.workspace })
  })
})
