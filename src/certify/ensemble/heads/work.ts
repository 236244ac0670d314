/** All jobs of threads, and how much work each is. */
import type { LearnerRecord } from '../learners.ts'
import { type FlipJob, flipRange } from './flips.ts'
import { type TrainJob, trainRange, type VoteJob, voteRange } from './job.ts'
import { headKind } from './list.ts'
import { ridgeWork } from './ridge.ts'

export type AnyJob = TrainJob | VoteJob | FlipJob

/** What a range of learners answers: records of those that were trained. */
export function runRange(job: AnyJob, from: number, to: number): readonly LearnerRecord[] {
  if (job.kind === 'train') return trainRange(job, from, to)
  if (job.kind === 'vote') voteRange(job, from, to)
  else flipRange(job, from, to)
  return []
}

/** Multiplications of a whole job, roughly: what decides whether it may block this thread, and what an estimate of time rests on. */
export function workOf(job: AnyJob): number {
  const depth = job.width + 1
  if (job.kind === 'vote') return job.ballots.inputs * job.ballots.learners * job.classes * depth
  const rows = job.order.length * job.offsets.length
  const perLearner = rows / job.learners
  const size = { rows, depth, perLearner, classes: job.classes }
  if (job.kind === 'train') return headKind(job.head.kind).work(size, job.head)
  const inputs = job.inputs.length / depth
  // Influences; then a sort and, for each pair of classes, a part of it.
  return ridgeWork(size) + inputs * rows * (depth + 8 * Math.log2(2 + perLearner) + job.classes ** 2)
}
