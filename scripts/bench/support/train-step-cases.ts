import {
  type ModelConfiguration,
  presetConfiguration,
  resolveConfiguration,
  tokensPerClip,
} from '../../../src/model.ts'

/** What a step is: pretraining, full fine-tuning with 10 classes, or features of the mean of all tokens. */
export type StepJob = 'pretrain' | 'finetune' | 'features'

export interface TrainStepCase {
  readonly title: string
  readonly job: StepJob
  readonly configuration: ModelConfiguration
  readonly batch: number
}

const small = presetConfiguration('small')

export const trainStepCases: Readonly<Record<string, TrainStepCase>> = {
  a: { title: 'ViT-S/16, 16x224x224, batch 2', job: 'pretrain', configuration: small, batch: 2 },
  b: { title: 'ViT-B/16, 16x224x224, batch 1', job: 'pretrain', configuration: presetConfiguration('base'), batch: 1 },
  c: {
    title: 'width 192, depth 12, decoder 96, 16x112x112, batch 8',
    job: 'pretrain',
    configuration: resolveConfiguration({
      imageSize: 112,
      encoder: { width: 192, depth: 12, heads: 3 },
      decoder: { width: 96, depth: 4, heads: 3 },
    }),
    batch: 8,
  },
  finetune: {
    title: 'full fine-tuning, ViT-S/16, 16x224x224, batch 1',
    job: 'finetune',
    configuration: { ...small, useMeanPooling: true },
    batch: 1,
  },
  features: {
    title: 'features, ViT-S/16, 16x224x224, batch 1',
    job: 'features',
    configuration: { ...small, useMeanPooling: true },
    batch: 1,
  },
}

/** Tokens of a step with tube masking at 90 %, and with dual masking the half that the decoder mask leaves. */
export function stepTokens(configuration: ModelConfiguration, dual: boolean) {
  const total = tokensPerClip(configuration)
  const times = configuration.frames / configuration.tubelet
  const visible = times * (total / times - Math.floor((total / times) * 0.9))
  return { total, visible, predicted: dual ? total / 2 : total - visible }
}
