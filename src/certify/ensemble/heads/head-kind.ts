/** What a kind of head is: its options, how one learner is trained, and how much work that is. */
import type { LabeledRows, StatisticsCache } from '../../../numeric/ridge.ts'
import type { Matmul } from '../../../numeric/wasm/matmul.ts'

/** A head in closed form or by a fixed number of steps, as one matrix on features. One file each, and a line in `list.ts`. */
export interface HeadDefinition<Options extends { readonly kind: string }, Name extends string = string> {
  /** In certificates and files. */
  readonly kind: Options['kind']
  /** What a user calls it among all base classifiers. */
  readonly name: Name
  /** Its options, of those that a user may give to base classifiers. */
  readonly options: readonly string[]
  /** Every value filled in: what is recorded and digested. @throws VideoMaeError `INVALID_ARGUMENT` */
  resolve(options: Options): Required<Options>
  /**
   * Trains one learner. Byte for byte, its weights follow from its samples: no weight depends on classes that it has no samples of.
   *
   * @param own classes of the samples, ascending; at least one
   * @returns [classes, width + 1], bias last; of a class without samples zeros and `biasWithoutSamples`
   */
  train(samples: LabeledRows, own: readonly number[], options: Required<Options>, tools: HeadTools): Float64Array
  /** Bias of a class that the learner has no samples of, whose other weights are 0: -infinity, or 0 where a closed form gives it. */
  readonly biasWithoutSamples: number
  /** Multiplications to train all learners, roughly. */
  work(size: HeadWork, options: Required<Options>): number
}

/** What a thread has for all learners that it trains. */
export interface HeadTools {
  readonly matmul: Matmul<'f64'>
  readonly cache: StatisticsCache
}

export interface HeadWork {
  /** Samples of all learners. */
  readonly rows: number
  readonly perLearner: number
  /** Width of the features, and 1 for the bias. */
  readonly depth: number
  readonly classes: number
}
