import { invalidArgument } from '../core/errors.ts'
import { differentiate } from '../graph/differentiate.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import type { AdamwEntry, AdamwUpdate, EmaUpdate, GradientSource, Program, Update } from '../graph/program.ts'
import type { ParameterShapes } from './model-state.ts'
import { decays, shapesOf } from './parameters.ts'

/** Names of the state that belongs to a parameter. */
export const stateNames = {
  firstMoment: (parameter: string) => `adamw.first/${parameter}`,
  secondMoment: (parameter: string) => `adamw.second/${parameter}`,
  accumulator: (parameter: string) => `gradient/${parameter}`,
  ema: (parameter: string) => `ema/${parameter}`,
} as const

/** Name of the output that holds a parameter's gradient. */
export function gradientOutput(parameter: string): string {
  return `gradient/${parameter}`
}

/** Constants of AdamW. */
export interface OptimizerOptions {
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.95 (pretraining); fine-tuning uses 0.999. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
  /** Largest global gradient norm; default null, no clipping. */
  readonly clipNorm?: number | null
  /** Factor of the learning rate per parameter; default 1. See `layerWiseScale`. */
  readonly learningRateScale?: (parameter: string) => number
  /** Which parameters learn; default all. */
  readonly trainable?: (parameter: string) => boolean
  /** Split into a program that adds gradients up and one that applies them. Default false. */
  readonly accumulate?: boolean
  /** Keep an exponential moving average of the parameters (EMA). Default false. */
  readonly ema?: boolean
  /** Ranks of a distributed run: gradients are averaged over them before anything reads them. Default 1. */
  readonly ranks?: number
}

/** What training programs return and do besides the loss. */
export interface TrainingOutputs {
  /** Also return every parameter's gradient, under `gradientOutput(name)`; not together with `accumulate`. */
  readonly gradients?: boolean
}

/** Programs over one state, to be opened in one session. */
export interface TrainingPrograms {
  /** Without accumulation one program, run once per step; with it the accumulating program, then the applying one. */
  readonly programs: readonly Program[]
  /** Name of the program that takes data. */
  readonly step: string
  /** Name of the program that applies accumulated gradients; null where `step` does so itself. */
  readonly apply: string | null
  /** The model's parameters: what has to be initialized or loaded. */
  readonly parameters: ParameterShapes
  /** Those that learn; moments, accumulators and EMAs exist for these (see `stateNames`). */
  readonly trained: readonly string[]
}

/** Name of the data program, known before its graph is built. */
export function stepName(name: string, optimizer: OptimizerOptions | null): string {
  return optimizer?.accumulate === true ? `${name}.accumulate` : name
}

/**
 * Turns a graph that computes a loss into programs. `graph` must be named `stepName(name, optimizer)`.
 *
 * Inputs added: scalars `learningRate`, `weightDecay`, `step` (1 at the first update), `emaDecay` with EMA, and
 * `gradientWeight` of the accumulating program (1 / number of batches for a mean). Output added: `gradientNorm`, before
 * clipping. An EMA has to be written once at the start (a copy of the parameters); moments start at zero.
 *
 * @param optimizer null: a program that only evaluates
 * @throws VideoMaeError `INVALID_ARGUMENT` when nothing is trainable
 */
export function trainingPrograms(
  graph: Graph,
  name: string,
  loss: Tensor,
  outputs: Readonly<Record<string, Tensor>>,
  optimizer: OptimizerOptions | null,
  { gradients: gradientOutputs = false }: TrainingOutputs = {},
): TrainingPrograms {
  const tensors = new Map(graph.states())
  const parameters = shapesOf(tensors)
  if (optimizer === null && !gradientOutputs) {
    return { programs: [graph.build(outputs)], step: graph.name, apply: null, parameters, trained: [] }
  }
  const trainable = optimizer?.trainable ?? (() => true)
  const trained = [...tensors.keys()].filter((parameter) => trainable(parameter))
  if (trained.length === 0) throw invalidArgument('trainable', 'at least one parameter to learn', 'none')
  const gradients = differentiate(
    loss,
    trained.map((parameter) => tensors.get(parameter)!),
  )
  const gradientOf = new Map(trained.map((parameter, i) => [parameter, gradients[i]]))
  const named = Object.fromEntries([...gradientOf].map(([parameter, tensor]) => [gradientOutput(parameter), tensor]))
  const all = gradientOutputs ? { ...outputs, ...named } : outputs
  const shared = { step: graph.name, parameters, trained }
  if (optimizer === null) return { ...shared, programs: [graph.build(all)], apply: null }

  if (optimizer.accumulate !== true) {
    const source = (parameter: string) => ({ tensor: gradientOf.get(parameter)!.id })
    const updates = optimizerUpdates(graph, trained, parameters, optimizer, source)
    return { ...shared, programs: [graph.build(all, updates)], apply: null }
  }

  for (const parameter of trained) graph.state(stateNames.accumulator(parameter), parameters.get(parameter)!)
  const accumulate: Update = {
    kind: 'accumulate',
    entries: [...gradientOf].map(([parameter, tensor]) => ({
      accumulator: stateNames.accumulator(parameter),
      gradient: tensor.id,
    })),
    weight: graph.input('gradientWeight', []).id,
  }
  const apply = `${name}.apply`
  const programs = [graph.build(all, [accumulate]), applyProgram(apply, trained, parameters, optimizer)]
  return { ...shared, programs, apply }
}

/** AdamW from the accumulators, then zeroes them. */
function applyProgram(
  name: string,
  trained: readonly string[],
  parameters: ParameterShapes,
  optimizer: OptimizerOptions,
): Program {
  const graph = new Graph(name)
  for (const parameter of trained) {
    graph.state(parameter, parameters.get(parameter)!)
    graph.state(stateNames.accumulator(parameter), parameters.get(parameter)!)
  }
  const accumulators = trained.map(stateNames.accumulator)
  const source = (parameter: string) => ({ state: stateNames.accumulator(parameter) })
  const updates = optimizerUpdates(graph, trained, parameters, optimizer, source)
  return graph.build({}, [...updates, { kind: 'zero', states: accumulators }])
}

function optimizerUpdates(
  graph: Graph,
  trained: readonly string[],
  parameters: ParameterShapes,
  optimizer: OptimizerOptions,
  gradient: (parameter: string) => GradientSource,
): readonly Update[] {
  const { ranks = 1 } = optimizer
  const scale = optimizer.learningRateScale ?? (() => 1)
  const entries = trained.map((parameter): AdamwEntry => {
    const shape = parameters.get(parameter)!
    const firstMoment = stateNames.firstMoment(parameter)
    const secondMoment = stateNames.secondMoment(parameter)
    graph.state(firstMoment, shape)
    graph.state(secondMoment, shape)
    return {
      parameter,
      gradient: gradient(parameter),
      firstMoment,
      secondMoment,
      decayScale: decays(parameter, shape) ? 1 : 0,
      learningRateScale: scale(parameter),
    }
  })
  const adamw: AdamwUpdate = {
    kind: 'adamw',
    entries,
    learningRate: graph.input('learningRate', []).id,
    weightDecay: graph.input('weightDecay', []).id,
    step: graph.input('step', []).id,
    beta1: optimizer.beta1 ?? 0.9,
    beta2: optimizer.beta2 ?? 0.95,
    epsilon: optimizer.epsilon ?? 1e-8,
    gradientScale: 1 / ranks,
    clipNorm: optimizer.clipNorm ?? null,
    gradientNormOutput: 'gradientNorm',
  }
  // Sums over the ranks; the scale makes means of them, also of the norm.
  const reduce: readonly Update[] = ranks === 1 ? [] : [{ kind: 'reduce', gradients: trained.map(gradient) }]
  if (optimizer.ema !== true) return [...reduce, adamw]
  for (const parameter of trained) graph.state(stateNames.ema(parameter), parameters.get(parameter)!)
  const ema: EmaUpdate = {
    kind: 'ema',
    entries: trained.map((source) => ({ ema: stateNames.ema(source), source })),
    decay: graph.input('emaDecay', []).id,
  }
  return [...reduce, adamw, ema]
}

/**
 * The same program reading the EMA instead of the parameters, for evaluation without copying.
 *
 * @param trained `TrainingPrograms.trained`; other parameters have no EMA and are read as they are
 */
export function withEma(program: Program, trained: readonly string[]): Program {
  const averaged = new Set(trained)
  return {
    ...program,
    name: `${program.name}.ema`,
    state: program.state.map(({ name, tensor }) => ({
      name: averaged.has(name) ? stateNames.ema(name) : name,
      tensor,
    })),
  }
}
