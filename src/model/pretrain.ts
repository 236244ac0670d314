import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { meanSquaredError } from '../graph/operations/losses.ts'
import { patchTargets } from '../graph/operations/patches.ts'
import type { Program } from '../graph/program.ts'
import { clipShape, type ModelConfiguration, tokensPerClip } from './configuration.ts'
import { decode } from './decoder.ts'
import { encode } from './encoder.ts'
import { type OptimizerOptions, stepName, type TrainingPrograms, trainingPrograms } from './training-programs.ts'

/** What the decoder is to predict: pixels normalized per patch and channel, or plain pixels on [0, 1]. */
export type PretrainObjective = 'normalized-pixels' | 'pixels'

/** How many tokens of a clip the encoder sees and the decoder predicts. */
export interface PretrainTokens {
  /** Tokens of a clip that the encoder sees. */
  readonly visible: number
  /** Tokens of a clip that are predicted: the others. Exactly one of `masked` and `decoded`. */
  readonly masked?: number
  /** Dual masking (VideoMAE V2): tokens that the decoder mask leaves; adds the input `weight`. */
  readonly decoded?: number
}

/** Sizes and loss of a program that pretrains. */
export interface PretrainProgramOptions extends PretrainTokens {
  /** The model. */
  readonly configuration: ModelConfiguration
  /** Clips per run. */
  readonly batch: number
  /** Default: what `configuration.normalizeTargets` says. */
  readonly objective?: PretrainObjective
  /** Null or absent: the loss alone, without an update. */
  readonly optimizer?: OptimizerOptions | null
  /** Also return the output `prediction` [B, M, P]. Default false. */
  readonly prediction?: boolean
  /** Also return every gradient; see `gradientOutput`. Default false. */
  readonly gradients?: boolean
  /** Name of the program. Default `pretrain`. */
  readonly name?: string
}

/**
 * Pretraining: forward, loss and, with an optimizer, backward and update.
 *
 * Inputs: `frames` uint8 [B, T, H, W, C], `visible` int32 [B, V], `masked` int32 [B, M] (tokens to predict), with
 * `decoded` also `weight` float32 [B, M] (1 where the encoder did not see the token, else 0); those of `trainingPrograms`.
 * Outputs: `loss` [], `gradientNorm` [], on request `prediction` and gradients.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function buildPretrainProgram(options: PretrainProgramOptions): TrainingPrograms {
  const { optimizer = null, name = 'pretrain', prediction: wanted = false } = options
  const graph = new Graph(stepName(name, optimizer))
  const { loss, prediction } = pretrainLoss(graph, options)
  const outputs: Record<string, Tensor> = wanted ? { loss, prediction } : { loss }
  return trainingPrograms(graph, name, loss, outputs, optimizer, { gradients: options.gradients ?? false })
}

/**
 * What the model reconstructs of given clips. Inputs as pretraining; outputs `prediction` [B, M, P], in units of the
 * objective (`paintPatches` turns it into pixels), and `loss`.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function buildReconstructProgram(
  options: Omit<PretrainProgramOptions, 'optimizer' | 'prediction' | 'gradients'>,
): Program {
  return buildPretrainProgram({ name: 'reconstruct', ...options, optimizer: null, prediction: true }).programs[0]
}

function pretrainLoss(graph: Graph, options: PretrainProgramOptions): { loss: Tensor; prediction: Tensor } {
  const { configuration, batch, objective } = options
  const { patch, tubelet } = configuration
  const { visible: seen, predicted, weighted } = checkTokens(configuration, options)
  requireCount('batch', batch)
  const frames = graph.input('frames', clipShape(configuration, batch), 'uint8')
  const visible = graph.input('visible', [batch, seen], 'int32')
  const masked = graph.input('masked', [batch, predicted], 'int32')
  const encoded = encode(configuration, frames, { visible, finalNorm: configuration.encoderNorm })
  const prediction = decode(configuration, encoded, visible, masked)
  const normalize = objective === undefined ? configuration.normalizeTargets : objective === 'normalized-pixels'
  const target = patchTargets(frames, masked, { patch, tubelet, normalize })
  const weight = weighted ? graph.input('weight', [batch, predicted]) : null
  return { loss: meanSquaredError(prediction, target, weight), prediction }
}

function checkTokens(configuration: ModelConfiguration, { visible, masked, decoded }: PretrainTokens) {
  const total = tokensPerClip(configuration)
  if ((masked === undefined) === (decoded === undefined)) {
    throw invalidArgument('masked and decoded', 'exactly one of the two', `${masked} and ${decoded}`)
  }
  const predicted = masked ?? decoded
  if (!Number.isInteger(visible) || visible < 1 || visible >= total) {
    throw invalidArgument(
      'visible',
      `an integer from 1 to ${total - 1}, the number of tokens of the clip minus one`,
      visible,
    )
  }
  if (predicted === undefined || !Number.isInteger(predicted) || predicted < 1 || predicted > total) {
    throw invalidArgument(masked === undefined ? 'decoded' : 'masked', `an integer from 1 to ${total}`, predicted)
  }
  if (masked !== undefined && visible + masked !== total) {
    throw invalidArgument('masked', `${total - visible}, the tokens that are not visible`, masked)
  }
  return { visible, predicted, weighted: decoded !== undefined }
}
