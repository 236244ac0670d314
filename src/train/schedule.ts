import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'

/** Values that change with every optimizer step. */
export interface ScheduledValues {
  readonly learningRate: number
  readonly weightDecay: number
}

export interface ScheduleOptions {
  /** Optimizer steps of the whole run. */
  readonly steps: number
  /** Steps of linear warm-up at its start. */
  readonly warmupSteps: number
  /** Learning rate at the end of warm-up. */
  readonly learningRate: number
  /** What the cosine falls towards; it is never quite reached. */
  readonly minimumLearningRate: number
  readonly weightDecay: number
  /** Weight decay at the end; default: constant. */
  readonly weightDecayEnd?: number
}

export type Schedule = (step: number) => ScheduledValues

/**
 * Learning rate and weight decay of step 0, 1, ..., steps-1, as the reference code computes them (VideoMAE
 * `cosine_scheduler`): warm-up is linspace(0, lr, warmupSteps) with both ends, so the first step has learning rate 0
 * and the last step of warm-up the full one; then min + (lr - min) (1 + cos(pi i / M)) / 2 for i = 0..M-1 with
 * M = steps - warmupSteps. A warm-up of a single step has learning rate 0, as linspace(0, lr, 1) has.
 * Weight decay follows a cosine over all steps, without warm-up.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a warm-up longer than the run
 */
export function createSchedule(options: ScheduleOptions): Schedule {
  const { steps, warmupSteps, learningRate, minimumLearningRate, weightDecay } = options
  requireCount('steps', steps)
  if (!Number.isInteger(warmupSteps) || warmupSteps < 0 || warmupSteps > steps) {
    throw invalidArgument('warmupSteps', `an integer from 0 to the ${steps} steps of the run`, warmupSteps)
  }
  const weightDecayEnd = options.weightDecayEnd ?? weightDecay
  return (step) => {
    if (!Number.isInteger(step) || step < 0 || step >= steps) {
      throw invalidArgument('step', `an integer from 0 to ${steps - 1}`, step)
    }
    return {
      learningRate:
        step < warmupSteps
          ? warmupSteps === 1
            ? 0
            : (learningRate * step) / (warmupSteps - 1)
          : cosine(learningRate, minimumLearningRate, step - warmupSteps, steps - warmupSteps),
      weightDecay: cosine(weightDecay, weightDecayEnd, step, steps),
    }
  }
}

function cosine(start: number, end: number, i: number, count: number): number {
  return start === end ? start : end + 0.5 * (start - end) * (1 + Math.cos((Math.PI * i) / count))
}

export interface LearningRateRule {
  /** Learning rate for 256 clips per step. */
  readonly baseLearningRate: number
  /** Clips shown to the model per step, repeats included. */
  readonly globalBatch: number
  readonly samplesPerClip: number
  /** Whether the samples of one decoded clip count as clips of the batch; the reference code does not count them. */
  readonly countRepeats: boolean
}

/** lr = base * batch / 256 (Goyal et al. 2017), where batch leaves repeats out unless `countRepeats`. */
export function scaledLearningRate(rule: LearningRateRule): number {
  const counted = rule.countRepeats ? rule.globalBatch : rule.globalBatch / rule.samplesPerClip
  return (rule.baseLearningRate * counted) / 256
}
