/** How the ranks of a distributed run share the samples that one process would take, bad files included. */
import { VideoMaeError } from '../core/errors.ts'
import type { BadFile, EpochOrder, StepStart } from './epoch-order.ts'

/** The part of the samples that one rank decodes. */
export interface RankShare {
  readonly rank: number
  readonly size: number
  /** Clips of one rank in a round: `size` times as many make one or several whole batches of the loader. */
  readonly clips: number
  /**
   * Give a rank that has a part of a batch whole pairs: a sample and the one at the mirrored index of the batch, so that both can be
   * mixed. Default: samples that are side by side.
   */
  readonly pairs?: boolean
  /** Collective: the files that ranks could not read just now, of all ranks. */
  readonly agree: (failures: readonly BadFile[]) => Promise<readonly BadFile[]>
  /** Marks an error that all ranks throw, so that one of them reports it. Default: each does. */
  readonly commonly?: (error: object) => object
}

/** A position in the order of samples: the key of a request. */
export interface SamplePosition {
  readonly epoch: number
  readonly position: number
}

/** The batches that the ranks decode together, one after the other. */
export interface Round {
  /** Samples of all ranks, in the order of one process. */
  readonly positions: readonly SamplePosition[]
  /** Where the next round begins. */
  readonly next: StepStart
}

/**
 * Rounds of a run. Every rank makes the same ones: they follow from the order of samples and from the bad files, which the ranks tell
 * each other before a round counts. A file is noted as bad at the position where one process would have met it.
 */
export class SharedRounds {
  private readonly order: EpochOrder
  private readonly perStep: number
  private readonly perRank: number
  private readonly share: RankShare
  private readonly batches: number

  /**
   * @param perStep samples of a batch of the loader
   * @param samplesPerClip clips of a sample
   * @throws VideoMaeError `INVALID_ARGUMENT` where the clips of all ranks are no whole batches
   */
  constructor(order: EpochOrder, perStep: number, samplesPerClip: number, share: RankShare) {
    this.order = order
    this.perStep = perStep
    this.share = share
    this.perRank = share.clips / samplesPerClip
    this.batches = (this.perRank * share.size) / perStep
    if (!Number.isInteger(this.perRank) || !Number.isInteger(this.batches))
      throw new VideoMaeError(
        `Expected ${share.size} ranks of ${share.clips} clips to fill batches of ${perStep * samplesPerClip} clips, in whole videos of ${samplesPerClip} clips.`,
        { code: 'INVALID_ARGUMENT', exit: 'usage' },
      )
    const divided = this.perRank < perStep
    if (
      share.pairs === true &&
      (divided ? perStep % this.perRank !== 0 || this.perRank % 2 !== 0 : this.perRank !== perStep)
    )
      throw new VideoMaeError(
        `Expected each of ${share.size} ranks to have a whole batch of ${perStep} videos or an even part of one, but it has ${this.perRank} videos.`,
        { code: 'INVALID_ARGUMENT', exit: 'usage' },
      )
  }

  /** Batches of the loader that are one round. */
  get batchesPerRound(): number {
    return this.batches
  }

  /** The batch of a round, from 0, that the first sample of this rank is of. */
  get ownBatch(): number {
    return Math.floor((this.share.rank * this.perRank) / this.perStep)
  }

  /** The samples of a round that this rank decodes, in the order of one process. */
  own({ positions }: Round): readonly SamplePosition[] {
    const first = this.share.rank * this.perRank
    if (this.share.pairs !== true) return positions.slice(first, first + this.perRank)
    const begin = this.ownBatch * this.perStep
    const batch = positions.slice(begin, begin + this.perStep)
    const from = (first - begin) / 2
    const until = from + this.perRank / 2
    return batch.filter((_, i) => {
      const pair = Math.min(i, this.perStep - 1 - i)
      return pair >= from && pair < until
    })
  }

  /**
   * What one process would take next, as far as the bad files are known.
   *
   * @throws VideoMaeError `NOT_ENOUGH_VIDEOS`
   */
  plan({ epoch, offset }: StepStart): Round {
    const positions: SamplePosition[] = []
    for (let batch = 0; batch < this.batches; batch++) {
      let usable = this.order.usable(epoch)
      while (usable.length - offset < this.perStep) {
        this.order.requireEnough(epoch)
        epoch++
        offset = 0
        usable = this.order.usable(epoch)
      }
      for (let i = 0; i < this.perStep; i++) positions.push({ epoch, position: usable[offset + i] })
      offset += this.perStep
    }
    return { positions, next: { epoch, offset } }
  }

  /** The samples of this rank in the round from a step on and in some later ones, as far as there are any. */
  ownAhead(from: StepStart, later: number): readonly SamplePosition[] {
    const own: SamplePosition[] = []
    for (let start = from, rounds = 0; rounds <= later; rounds++) {
      try {
        const round = this.plan(start)
        own.push(...this.own(round))
        start = round.next
      } catch (error) {
        if (error instanceof VideoMaeError && error.code === 'NOT_ENOUGH_VIDEOS') break
        throw error
      }
    }
    return own
  }

  /**
   * Decodes the round from a step on until no rank meets a bad file in it.
   *
   * @param decode decodes samples of this rank; the files among them that cannot be read
   * @param note called for every bad file, in the order of one process
   * @throws VideoMaeError `NOT_ENOUGH_VIDEOS`, on all ranks
   */
  async agreed(
    from: StepStart,
    decode: (positions: readonly SamplePosition[]) => Promise<readonly BadFile[]>,
    note: (file: BadFile) => void,
  ): Promise<Round> {
    const tried = new Map<string, BadFile | null>()
    for (;;) {
      const round = this.planned(from)
      const found = await this.share.agree(await decode(this.own(round)))
      if (found.length === 0) return round
      for (const position of round.positions) tried.set(keyOf(position), null)
      for (const file of found) tried.set(keyOf(file), file)
      // One after the other: each may move the samples behind it, or end the epoch before the next one is met.
      for (let next = firstBad(round, tried); next !== null; next = firstBad(this.planned(from), tried)) note(next)
    }
  }

  /** `plan` where all ranks have agreed on the bad files: they all fail, or none does. */
  private planned(from: StepStart): Round {
    try {
      return this.plan(from)
    } catch (error) {
      throw (error instanceof VideoMaeError && this.share.commonly?.(error)) || error
    }
  }
}

/** The file that one process would note next; null where it would come to a sample first that nobody has tried. */
function firstBad({ positions }: Round, tried: ReadonlyMap<string, BadFile | null>): BadFile | null {
  for (const position of positions) {
    const file = tried.get(keyOf(position))
    if (file !== null) return file ?? null
  }
  return null
}

const keyOf = ({ epoch, position }: SamplePosition): string => `${epoch}:${position}`
