/** A batch size for the amount of data, clips per run for the memory, and the learning rate that follows. */
import type { MemoryNeed } from '../train/memory-need.ts'
import { scaledLearningRate } from '../train/schedule.ts'
import type { FinetuneConfiguration } from './configuration.ts'

/**
 * Fewest steps of a pass over the videos. The smallest published run of VideoMAE, on HMDB51, has 28: 3,570 videos, 128 of them a step.
 */
const fewestSteps = 25
/** Clips of a step: the least that the mean over a batch and mixed clips ask for, and the batch of the published runs on small sets. */
const [smallest, largest] = [16, 256]

export interface BatchProposal {
  readonly size: number
  readonly perRun: number
  readonly learningRate: number
  /** One sentence, with the options that set it. */
  readonly text: string
}

interface Question {
  /** Training videos. */
  readonly videos: number
  /** What `perRun` clips in one run of the engine need. */
  readonly need: (perRun: number) => Pick<MemoryNeed, 'total' | 'available'>
  /** Clips in one run as it is set, or follows. */
  readonly perRun: number
}

/**
 * Proposes the largest power of two for which a pass over the videos has 25 steps, but from 16 to 256 clips and at most all videos, and the most clips per run that fit into
 * memory. The learning rate follows from the batch by the linear scaling rule (Goyal et al. 2017), which the published settings use.
 *
 * @returns null where the batch size is that already, or larger than 256 for enough videos
 */
export function proposeBatch(
  { batch, data, optimizer }: Pick<FinetuneConfiguration, 'batch' | 'data' | 'optimizer'>,
  { videos, need, perRun: before }: Question,
): BatchProposal | null {
  const { samplesPerClip } = data
  const clips = videos * samplesPerClip
  const most = Math.min(largest, powerOfTwo(clips))
  const wanted = Math.min(most, Math.max(smallest, powerOfTwo(clips / fewestSteps)))
  const size = samplesPerClip * Math.max(1, Math.floor(wanted / samplesPerClip))
  if (size === batch.size || (batch.size > largest && size === largest)) return null
  const divisors = Array.from({ length: Math.max(8, before) }, (_, i) => i + 1)
    .filter((each) => size % each === 0 && each % samplesPerClip === 0)
    .reverse()
  const perRun = divisors.find((each) => fits(need(each))) ?? samplesPerClip
  const rule = { baseLearningRate: optimizer.baseLearningRate, samplesPerClip, countRepeats: optimizer.countRepeats }
  const rateOf = (globalBatch: number): string => scaledLearningRate({ ...rule, globalBatch }).toPrecision(2)
  const learningRate = scaledLearningRate({ ...rule, globalBatch: size })
  const stepsOf = (each: number): number => Math.max(1, Math.floor(clips / each))
  const text =
    `proposal  ${size} clips per step instead of ${batch.size}: a pass over ${videos} videos then has ${stepsOf(size)} steps instead of ${stepsOf(batch.size)}; ` +
    `${perRun} in one pass fit into memory; the learning rate is scaled to ${rateOf(size)} instead of ${rateOf(batch.size)} ` +
    `(--set batch.size=${size} --set batch.perRun=${perRun})`
  return { size, perRun, learningRate, text }
}

/** The largest that is not above a number of clips. */
const powerOfTwo = (clips: number): number => 2 ** Math.floor(Math.log2(clips))

const fits = ({ total, available }: Pick<MemoryNeed, 'total' | 'available'>): boolean => total <= available
