/** An exported ensemble against this program: scores and votes of the written file, clip by clip. */
import { loadRuntime } from '../../../engine/onnx/runtime.ts'
import { clipTensor, type ExportInput } from '../../../export/check.ts'
import type { PatchSource } from '../../../inference/encoder-source.ts'
import { type TestSet, unitRows } from '../../ensemble/feature-set.ts'
import { type TrainedHeads, weightsLength } from '../../ensemble/heads/head.ts'
import type { FeatureSource } from '../feature-source.ts'
import { meanOfClips, type RowSource } from './clip-rows.ts'
import type { StoredEnsemble } from './ensemble-file.ts'
import { ballotsOf, testSets } from './votes.ts'
import { voteNames } from './votes-graph.ts'

export interface VoteComparison {
  readonly source: FeatureSource
  /** [encoders] */
  readonly rows: readonly RowSource[]
  readonly stored: StoredEnsemble
  /** The clips of each video, one behind the other. */
  readonly clips: readonly Uint8Array[]
  readonly tolerance: number
}

/** Scores and votes of the written file against those of this program, video by video. */
export async function compareVotes(
  file: string,
  input: ExportInput | 'pooled',
  { source, rows, stored, clips, tolerance }: VoteComparison,
  signal: AbortSignal | undefined,
) {
  const { heads } = stored
  const { learners, classes } = heads
  const perVideo = stored.description.features.testClips ?? 1
  const { create, Tensor } = await loadRuntime()
  const session = await create(file)
  let [difference, largest, differentVotes, wrongVotes] = [0, 0, 0, 0]
  try {
    for (const clip of clips) {
      signal?.throwIfAborted()
      const mine: Float32Array[] = []
      for (const encoder of rows) mine.push(await meanOfClips(encoder, clip))
      const [row] = mine
      const tests = testSets(stored, [mine])
      const { ranks } = await ballotsOf(heads, tests, { keep: 'votes', threads: 1 })
      const expected = scoresOf(heads, tests)
      const { type, data, shape } =
        input === 'pooled' || source.kind === 'pixels'
          ? { type: 'float32' as const, data: row, shape: [1, row.length] }
          : source.kind === 'patches'
            ? { type: 'uint8' as const, data: clip, shape: [perVideo, ...patchClip(source.source)] }
            : clipTensor(source.source.configuration, input, clip)
      const outputs = await session.run({ [session.inputNames[0]]: new Tensor(type, data, shape) })
      const scores = outputs[voteNames.scores].data as Float32Array
      const votes = outputs[voteNames.votes].data as BigInt64Array
      for (const [i, score] of expected.entries()) {
        if (!Number.isFinite(score) && scores[i] === score) continue
        largest = Math.max(largest, Math.abs(score))
        const apart = Math.abs(score - scores[i])
        difference = apart >= 0 ? Math.max(difference, apart) : Number.POSITIVE_INFINITY
      }
      for (let learner = 0; learner < learners; learner++) {
        const [mine, other] = [ranks[learner], Number(votes[learner])]
        if (mine === other) continue
        differentVotes++
        // Only a vote that was a tie up to rounding may be another; a class without samples never is.
        const gap = expected[learner * classes + mine] - expected[learner * classes + other]
        const open = other < classes && heads.knows[learner * classes + other] === 1
        if (!(open && Math.abs(gap) <= tolerance * largest)) wrongVotes++
      }
    }
  } finally {
    await session.release()
  }
  const largestDifference = largest === 0 ? difference : difference / largest
  return { votes: clips.length * learners, differentVotes, wrongVotes, largestDifference }
}

/** [learners * classes] scores in float64, of one input as each encoder sees it, scaled by trusted videos where there are any. */
function scoresOf(heads: TrainedHeads, tests: readonly TestSet[]): Float64Array {
  const size = heads.learners / tests.length
  const parts = tests.map(({ features }, group) => {
    const { head, width, weights, learners, classes } = learnersOf(heads, group * size, size)
    const x = head.scaling === 'unit' ? unitRows(features, 1, width) : features
    const depth = width + 1
    return Array.from({ length: learners * classes }, (_, row) => {
      let sum = weights[row * depth + width]
      for (let k = 0; k < width; k++) sum += weights[row * depth + k] * x[k]
      return sum
    })
  })
  return Float64Array.from(parts.flat())
}

/** `count` heads from number `first` on. */
export function learnersOf(heads: TrainedHeads, first: number, count: number): TrainedHeads {
  const { classes, width, weights, knows } = heads
  const length = weightsLength(classes, width)
  return {
    ...heads,
    learners: count,
    weights: weights.subarray(first * length, (first + count) * length),
    knows: knows.subarray(first * classes, (first + count) * classes),
  }
}

/** [T, H, W, C] */
function patchClip({ configuration: { frames, imageSize, channels } }: PatchSource): number[] {
  return [frames, ...imageSize, channels]
}
