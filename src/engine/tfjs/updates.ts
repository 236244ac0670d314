import { type Reducer, valuesOf } from '../../distributed/reducer.ts'
import type {
  AccumulateUpdate,
  AdamwEntry,
  AdamwUpdate,
  EmaUpdate,
  GradientSource,
  Program,
  TensorId,
} from '../../graph/program.ts'
import type { RunInputs } from '../engine.ts'
import { upload } from './evaluate.ts'
import type { Tensor, Tfjs } from './runtime.ts'
import { sumAll } from './sums.ts'

/** What updates read. */
export interface UpdateSources {
  readonly inputs: RunInputs
  /** Tensors of the run that gradients may be. */
  readonly tensors: ReadonlyMap<TensorId, Tensor>
  readonly states: ReadonlyMap<string, Tensor>
  readonly reducer: Reducer
}

/** The updates of one run. States are never written: new tensors are made, which the session takes over at the end. */
export class RunUpdates {
  /** Gradient norms by output name. */
  readonly norms = new Map<string, number>()
  private readonly tf: Tfjs
  private readonly program: Program
  private readonly sources: UpdateSources
  private readonly next = new Map<string, Tensor>()
  /** Sums over the ranks, in place of tensors of the run. */
  private readonly reduced = new Map<TensorId, Tensor>()

  constructor(tf: Tfjs, program: Program, sources: UpdateSources) {
    this.tf = tf
    this.program = program
    this.sources = sources
  }

  /**
   * Applies the updates in order; each sees what those before it left.
   *
   * @returns new tensors by state. After an error nothing of what was made is left.
   */
  async apply(): Promise<ReadonlyMap<string, Tensor>> {
    try {
      for (const update of this.program.updates) {
        if (update.kind === 'adamw') await this.adamw(update)
        else if (update.kind === 'ema') this.ema(update)
        else if (update.kind === 'accumulate') this.accumulate(update)
        else if (update.kind === 'reduce') await this.reduce(update.gradients)
        else for (const name of update.states) this.set(name, this.tf.zerosLike(this.state(name)))
      }
      return this.next
    } catch (error) {
      for (const tensor of this.next.values()) tensor.dispose()
      throw error
    } finally {
      for (const tensor of this.reduced.values()) tensor.dispose()
    }
  }

  private state(name: string): Tensor {
    return this.next.get(name) ?? this.sources.states.get(name)!
  }

  private set(name: string, tensor: Tensor): void {
    this.next.get(name)?.dispose()
    this.next.set(name, tensor)
  }

  private gradient(source: GradientSource): Tensor {
    if ('state' in source) return this.state(source.state)
    return this.reduced.get(source.tensor) ?? this.sources.tensors.get(source.tensor)!
  }

  private scalar(id: TensorId): number {
    const { inputs, constants } = this.program
    const input = inputs.find(({ tensor }) => tensor === id)
    if (input !== undefined) return this.sources.inputs[input.name][0]
    return constants.find(({ tensor }) => tensor === id)!.data[0]
  }

  /** As `AdamwUpdate` says. The norm comes to the host, since one that is not finite changes nothing. */
  private async adamw(update: AdamwUpdate): Promise<void> {
    const { tf } = this
    const squares = tf.tidy(() =>
      tf.addN(
        update.entries.map(({ gradient }) =>
          sumAll(tf, tf.square(tf.mul(this.gradient(gradient), update.gradientScale))),
        ),
      ),
    )
    const [sum] = await squares.data()
    squares.dispose()
    const norm = Math.sqrt(sum)
    this.norms.set(update.gradientNormOutput, norm)
    if (!Number.isFinite(norm)) return
    const clip = update.clipNorm === null ? 1 : Math.min(1, update.clipNorm / (norm + 1e-6))
    for (const entry of update.entries) this.adamwEntry(update, entry, clip * update.gradientScale)
  }

  private adamwEntry(update: AdamwUpdate, entry: AdamwEntry, factor: number): void {
    const { tf } = this
    const { beta1, beta2, epsilon } = update
    const step = this.scalar(update.step)
    const rate = this.scalar(update.learningRate) * entry.learningRateScale
    const decay = rate * this.scalar(update.weightDecay) * entry.decayScale
    const stepSize = rate / (1 - beta1 ** step)
    const correction = Math.sqrt(1 - beta2 ** step)
    const [p, m, v] = tf.tidy(() => {
      const g = tf.mul(this.gradient(entry.gradient), factor)
      const first = tf.add(tf.mul(this.state(entry.firstMoment), beta1), tf.mul(g, 1 - beta1))
      const second = tf.add(tf.mul(this.state(entry.secondMoment), beta2), tf.mul(tf.square(g), 1 - beta2))
      const parameter = tf.mul(this.state(entry.parameter), 1 - decay)
      const direction = tf.div(first, tf.add(tf.div(tf.sqrt(second), correction), epsilon))
      return [tf.sub(parameter, tf.mul(direction, stepSize)), first, second]
    })
    this.set(entry.parameter, p)
    this.set(entry.firstMoment, m)
    this.set(entry.secondMoment, v)
  }

  private ema({ entries, decay: id }: EmaUpdate): void {
    const { tf } = this
    const decay = this.scalar(id)
    for (const { ema, source } of entries) {
      const mean = (): Tensor => tf.add(tf.mul(this.state(ema), decay), tf.mul(this.state(source), 1 - decay))
      this.set(ema, tf.tidy(mean))
    }
  }

  private accumulate({ entries, weight: id }: AccumulateUpdate): void {
    const { tf } = this
    const weight = this.scalar(id)
    for (const { accumulator, gradient } of entries) {
      const sum = (): Tensor => tf.add(this.state(accumulator), tf.mul(this.gradient({ tensor: gradient }), weight))
      this.set(accumulator, tf.tidy(sum))
    }
  }

  /** Sums over the ranks on the host. */
  private async reduce(gradients: readonly GradientSource[]): Promise<void> {
    const values: Float32Array[] = []
    for (const source of gradients) values.push(Float32Array.from(await this.gradient(source).data()))
    this.sources.reducer.sum(values.map(valuesOf))
    for (const [i, source] of gradients.entries()) {
      const sum = upload(this.tf, values[i], this.gradient(source).shape)
      if ('state' in source) this.set(source.state, sum)
      else {
        this.reduced.get(source.tensor)?.dispose()
        this.reduced.set(source.tensor, sum)
      }
    }
  }
}
