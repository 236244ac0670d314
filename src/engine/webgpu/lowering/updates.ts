/**
 * Updates as nodes of the graph, so that the state stays on the device: a run takes the states as inputs and returns those that it
 * changes. Numbers that follow from scalar inputs alone (bias corrections, rates) are computed in float64 and fed.
 */
import { VideoMaeError } from '../../../core/errors.ts'
import { reductionUnsupported } from '../../../distributed/reducer.ts'
import type { OnnxValue } from '../../../format/onnx.ts'
import {
  type AdamwEntry,
  type AdamwUpdate,
  elementCount,
  type GradientSource,
  type Program,
  type TensorId,
} from '../../../graph/program.ts'
import type { RunInputs } from '../../engine.ts'
import type { LoweringContext, ValueName } from '../../onnx/lowering/context.ts'
import { stateInput } from '../../onnx/lowering/lower-program.ts'
import { joined } from './joined.ts'

/** A number that the session computes before a run and feeds as float32[1]. */
export interface FedScalar {
  readonly name: string
  readonly compute: (inputs: RunInputs) => number
}

/** What the session needs to know of the updates in a graph. */
export interface LoweredUpdates {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly scalars: readonly FedScalar[]
  /** State -> output that holds its next value. */
  readonly next: ReadonlyMap<string, ValueName>
  /** States that become zero. */
  readonly zeroed: readonly string[]
  /** Gradient norms that are outputs. */
  readonly norms: readonly string[]
}

/** Tensors that updates read from the graph. */
export function gradientTensors(program: Program): readonly TensorId[] {
  const sources = program.updates.flatMap((update): readonly GradientSource[] => {
    if (update.kind === 'accumulate') return update.entries.map(({ gradient }) => ({ tensor: gradient }))
    if (update.kind === 'adamw') return update.entries.map(({ gradient }) => gradient)
    return []
  })
  return [...new Set(sources.flatMap((source) => ('tensor' in source ? [source.tensor] : [])))]
}

/**
 * Adds the updates of a program to its graph.
 *
 * @param skipped AdamW updates, by their gradient norm's output, that change nothing because their norm is not finite
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for `reduce`, and for a scalar that is neither an input nor a constant
 */
export function lowerUpdates(program: Program, context: LoweringContext, skipped: ReadonlySet<string>): LoweredUpdates {
  const updates = new UpdateLowering(program, context)
  for (const update of program.updates) {
    switch (update.kind) {
      case 'adamw':
        if (!skipped.has(update.gradientNormOutput)) updates.adamw(update)
        break
      case 'ema':
        updates.ema(update.entries, update.decay)
        break
      case 'accumulate':
        updates.accumulate(update.entries, update.weight)
        break
      case 'reduce':
        throw reductionUnsupported('webgpu')
      case 'zero':
        for (const name of update.states) updates.set(name, null)
    }
  }
  return updates.finish()
}

class UpdateLowering {
  private readonly program: Program
  private readonly context: LoweringContext
  private readonly shapes: ReadonlyMap<string, readonly number[]>
  private readonly readByNodes: ReadonlyMap<string, TensorId>
  private readonly sources: ReadonlyMap<TensorId, string | number>
  /** States that were changed, with the value that they have now; null: zero. */
  private readonly current = new Map<string, ValueName | null>()
  private readonly inputs = new Map<string, OnnxValue>()
  private readonly scalars = new Map<string, FedScalar>()
  private readonly norms: string[] = []

  constructor(program: Program, context: LoweringContext) {
    this.program = program
    this.context = context
    this.readByNodes = new Map(program.state.map(({ name, tensor }) => [name, tensor]))
    this.shapes = new Map([
      ...program.updateState.map(({ name, shape }) => [name, shape] as const),
      ...program.state.map(({ name, tensor }) => [name, program.tensors[tensor].shape] as const),
    ])
    const sources = new Map<TensorId, string | number>(program.inputs.map(({ name, tensor }) => [tensor, name]))
    for (const { tensor, data } of program.constants) sources.set(tensor, data[0])
    this.sources = sources
  }

  /** Thirteen passes over a parameter: the formulas of `AdamwUpdate`, with the bias corrections moved into two numbers. */
  adamw(update: AdamwUpdate): void {
    const { beta1, beta2, epsilon, gradientScale, clipNorm, gradientNormOutput } = update
    const { context } = this
    const gradients = update.entries.map(({ gradient }) => this.gradient(gradient))
    const norm = this.norm(update.entries, gradients, gradientScale, gradientNormOutput)
    const clip =
      clipNorm === null
        ? context.float(1)
        : context.emit('Min', [
            context.float(1),
            context.emit('Div', [context.float(clipNorm), context.emit('Add', [norm, context.float(1e-6)])]),
          ])
    const firstFactor = context.scaled(clip, (1 - beta1) * gradientScale)
    const secondFactor = context.scaled(clip, Math.sqrt(1 - beta2) * gradientScale)
    const step = this.reader(update.step)
    const rate = this.reader(update.learningRate)
    const decay = this.reader(update.weightDecay)
    const correction = (inputs: RunInputs): number => Math.sqrt(1 - beta2 ** step(inputs))
    const tiny = this.scalar(`epsilon:${gradientNormOutput}`, (inputs) => epsilon * correction(inputs))

    for (const [i, entry] of update.entries.entries()) {
      const { parameter, firstMoment, secondMoment, decayScale, learningRateScale } = entry
      const [p, m, v] = [parameter, firstMoment, secondMoment].map((name) => this.value(name))
      const shrink = this.scalar(
        `shrink:${gradientNormOutput}:${learningRateScale}:${decayScale}`,
        (inputs) => 1 - rate(inputs) * learningRateScale * decay(inputs) * decayScale,
      )
      const pace = this.scalar(
        `pace:${gradientNormOutput}:${learningRateScale}`,
        (inputs) => (rate(inputs) * learningRateScale * correction(inputs)) / (1 - beta1 ** step(inputs)),
      )
      const nextM = context.emit('Add', [context.scaled(m, beta1), context.emit('Mul', [gradients[i], firstFactor])])
      const scaled = context.emit('Mul', [gradients[i], secondFactor])
      const nextV = context.emit('Add', [context.scaled(v, beta2), context.emit('Mul', [scaled, scaled])])
      const denominator = context.emit('Add', [context.emit('Sqrt', [nextV]), tiny])
      const change = context.emit('Mul', [context.emit('Div', [nextM, denominator]), pace])
      this.set(parameter, context.emit('Sub', [context.emit('Mul', [p, shrink]), change]))
      this.set(firstMoment, nextM)
      this.set(secondMoment, nextV)
    }
  }

  ema(entries: readonly { readonly ema: string; readonly source: string }[], decay: TensorId): void {
    const { context } = this
    const keep = this.scalar(`keep:${decay}`, this.reader(decay))
    const take = this.scalar(`take:${decay}`, (inputs) => 1 - this.reader(decay)(inputs))
    for (const { ema, source } of entries) {
      const kept = context.emit('Mul', [this.value(ema), keep])
      this.set(ema, context.emit('Add', [kept, context.emit('Mul', [this.value(source), take])]))
    }
  }

  accumulate(
    entries: readonly { readonly accumulator: string; readonly gradient: TensorId }[],
    weight: TensorId,
  ): void {
    const factor = this.scalar(`weight:${weight}`, this.reader(weight))
    for (const { accumulator, gradient } of entries) {
      const share = this.context.emit('Mul', [this.context.value(gradient), factor])
      const before = this.current.get(accumulator)
      this.set(accumulator, before === null ? share : this.context.emit('Add', [this.value(accumulator), share]))
    }
  }

  set(name: string, value: ValueName | null): void {
    this.current.set(name, value)
  }

  finish(): LoweredUpdates {
    const next = new Map<string, ValueName>()
    const outputs: OnnxValue[] = this.norms.map((name) => ({ name, type: 'float32', shape: [] }))
    for (const [name, value] of this.current) {
      if (value === null) continue
      next.set(name, value)
      outputs.push({ name: value, type: 'float32', shape: this.shapes.get(name)! })
    }
    return {
      inputs: [...this.inputs.values()],
      outputs,
      scalars: [...this.scalars.values()],
      next,
      zeroed: [...this.current].flatMap(([name, value]) => (value === null ? [name] : [])),
      norms: this.norms,
    }
  }

  /** Norm of all gradients times `scale`, as an output. Rows first: one workgroup would sum up a whole tensor otherwise. */
  private norm(
    entries: readonly AdamwEntry[],
    gradients: readonly ValueName[],
    scale: number,
    output: string,
  ): ValueName {
    const { context } = this
    const sums = entries.map(({ parameter }, i) => {
      const rank = this.shapes.get(parameter)!.length
      let sum = gradients[i]
      if (rank > 1) {
        const perRow = context.emit('ReduceSumSquare', [sum], { axes: [rank - 1], keepdims: 0 })
        sum = context.emit('ReduceSum', [perRow], { keepdims: 0 })
      } else sum = context.emit('ReduceSumSquare', [sum], { keepdims: 0 })
      return context.reshape(sum, [1], false)
    })
    const total = context.emit('ReduceSum', [joined(context, sums, 0)], { keepdims: 0 })
    this.norms.push(output)
    return context.scaled(context.emit('Sqrt', [total]), Math.abs(scale), output)
  }

  private gradient(source: GradientSource): ValueName {
    return 'tensor' in source ? this.context.value(source.tensor) : this.value(source.state)
  }

  /** The value that a state has now. */
  private value(name: string): ValueName {
    const shape = this.shapes.get(name)!
    const { context } = this
    if (this.current.get(name) === null) {
      return context.once(`zeros:${shape.join()}`, () =>
        context.emit('Expand', [context.float(0), context.int64s(shape)]),
      )
    }
    const changed = this.current.get(name)
    if (changed !== undefined && changed !== null) return changed
    const input = stateInput(name)
    if (!this.readByNodes.has(name)) this.inputs.set(name, { name: input, type: 'float32', shape })
    return input
  }

  private scalar(name: string, compute: (inputs: RunInputs) => number): ValueName {
    const input = `scalar/${name}`
    if (!this.scalars.has(input)) {
      this.scalars.set(input, { name: input, compute })
      this.inputs.set(input, { name: input, type: 'float32', shape: [1] })
    }
    return input
  }

  private reader(tensor: TensorId): (inputs: RunInputs) => number {
    const source = this.sources.get(tensor)
    if (source === undefined || elementCount(this.program.tensors[tensor].shape) !== 1) {
      throw new VideoMaeError(
        `An update of ${this.program.name} takes a scalar that is neither an input nor a constant.`,
        { code: 'PROGRAM_UNSUPPORTED' },
      )
    }
    return typeof source === 'number' ? () => source : (inputs) => inputs[source][0]
  }
}
