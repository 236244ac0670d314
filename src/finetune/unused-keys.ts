/** Which keys each mode of fine-tuning does not use. */
import { type UnusedReason, unusedByEngine, unusedNote } from '../train/unused-keys.ts'
import {
  type FinetuneConfiguration,
  type FinetuneMode,
  finetuneConfiguration,
  plainFinetuneConfiguration,
} from './configuration.ts'

/** Sections and keys of the training of all weights. */
const ofFullTraining = [
  ...['augment', 'regularization', 'batch', 'optimizer', 'schedule', 'checkpoint', 'log'],
  ...['data.samplesPerClip', 'evaluation.every', 'evaluation.batch', 'engine.recompute'],
]
/** Of pretraining: a classifier has neither a decoder nor targets in pixels. */
const ofPretraining = ['model.decoder', 'model.target']

const unusedIn: Readonly<Record<FinetuneMode, readonly string[]>> = {
  full: ['probe'],
  linear: [...ofFullTraining, 'probe.heads'],
  attentive: [...ofFullTraining, 'probe.readout'],
  ridge: [...ofFullTraining, 'probe.epochs', 'probe.batch', 'probe.learningRate', 'probe.weightDecay', 'probe.heads'],
}

export function unusedInFinetuning({
  mode,
  augment,
  engine,
}: Pick<FinetuneConfiguration, 'mode' | 'augment' | 'engine'>): UnusedReason {
  const among = (keys: readonly string[], key: string): boolean =>
    keys.some((name) => key === name || key.startsWith(`${name}.`))
  return (key) => {
    if (among(ofPretraining, key)) return 'only pretraining uses it'
    if (among(unusedIn[mode], key)) return `mode ${mode} does not use it`
    if (key === 'augment.mixProbability' && augment.mixup === null && augment.cutmix === null)
      return 'no batch is mixed without augment.mixup and augment.cutmix'
    return unusedByEngine(engine)(key)
  }
}

/** A note about values of the configuration that its mode does not use; null where there are none. */
export function unusedFinetuneNote(configuration: FinetuneConfiguration): string | null {
  const [plain, defaults] = [configuration, finetuneConfiguration()].map(plainFinetuneConfiguration)
  return unusedNote(plain, defaults, unusedInFinetuning(configuration))
}
