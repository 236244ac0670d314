import type { AccumulateUpdate, AdamwUpdate, EmaUpdate, ZeroUpdate } from '../../graph/program.ts'
import type { StateSizes } from './state-sizes.ts'
import type { ValueId } from './values.ts'

/** One state that an update changes, and what it reads for that. */
export interface UpdateRow {
  /** State whose working copy, if there is one, follows the target. */
  readonly state: string
  readonly target: ValueId
  /** What is added, averaged or followed down: a gradient or another state. */
  readonly source: ValueId | null
  /** First and second moments of AdamW. */
  readonly first: ValueId | null
  readonly second: ValueId | null
  /** Elements. */
  readonly count: number
  readonly decayScale: number
  readonly learningRateScale: number
}

/** What rows need of an engine's lowering. */
interface UpdateLowering {
  state(name: string, count: number): ValueId
  read(tensor: number, type: 'float32'): ValueId
}

/** The rows of every kind of update, for engines that run an update as one table. */
export class UpdateRows {
  private readonly lowering: UpdateLowering
  private readonly sizes: StateSizes

  constructor(lowering: UpdateLowering, sizes: StateSizes) {
    this.lowering = lowering
    this.sizes = sizes
  }

  adamw({ entries }: AdamwUpdate): UpdateRow[] {
    return entries.map(({ parameter, gradient, firstMoment, secondMoment, decayScale, learningRateScale }) =>
      this.row(parameter, {
        source: 'tensor' in gradient ? this.lowering.read(gradient.tensor, 'float32') : this.state(gradient.state),
        first: this.state(firstMoment),
        second: this.state(secondMoment),
        decayScale,
        learningRateScale,
      }),
    )
  }

  ema({ entries }: EmaUpdate): UpdateRow[] {
    return entries.map(({ ema, source }) => this.row(ema, { source: this.state(source) }))
  }

  accumulate({ entries }: AccumulateUpdate): UpdateRow[] {
    return entries.map(({ accumulator, gradient }) =>
      this.row(accumulator, { source: this.lowering.read(gradient, 'float32') }),
    )
  }

  zero({ states }: ZeroUpdate): UpdateRow[] {
    return states.map((name) => this.row(name, {}))
  }

  private count(name: string): number {
    return this.sizes.get(name) ?? 0
  }

  private state(name: string): ValueId {
    return this.lowering.state(name, this.count(name))
  }

  private row(state: string, more: Partial<UpdateRow>): UpdateRow {
    return {
      state,
      target: this.state(state),
      source: null,
      first: null,
      second: null,
      count: this.count(state),
      decayScale: 0,
      learningRateScale: 0,
      ...more,
    }
  }
}
