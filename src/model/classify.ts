import { invalidArgument } from '../core/errors.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { softmax, softmaxCrossEntropy } from '../graph/operations/losses.ts'
import type { Program } from '../graph/program.ts'
import { type ClipOptions, clipInput } from './encode-program.ts'
import { attentiveHead, classifierFeatures, linearHead } from './heads.ts'
import { type OptimizerOptions, stepName, type TrainingPrograms, trainingPrograms } from './training-programs.ts'

/** Sizes of a program that classifies clips. */
export interface ClassifyProgramOptions extends ClipOptions {
  /** Number of classes. */
  readonly classes: number
}

/**
 * The classifier in evaluation mode. Input `frames`; outputs `logits` and `probabilities` [B, classes].
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for classes that are not a positive integer
 */
export function buildClassifyProgram({ name = 'classify', classes, ...options }: ClassifyProgramOptions): Program {
  const graph = new Graph(name)
  const features = classifierFeatures(options.configuration, clipInput(graph, options), { layout: options.layout })
  const logits = linearHead(features, checkClasses(classes))
  return graph.build({ logits, probabilities: softmax(logits) })
}

/** Sizes and regularization of a program that trains a classifier. */
export interface FinetuneProgramOptions extends ClipOptions {
  /** Number of classes. */
  readonly classes: number
  /** Adds the input `dropPath`; see `dropPathFactors`. Default false. */
  readonly dropPath?: boolean
  /** Adds the input `dropout` of the features before the last layer; see `dropoutFactors`. Default false. */
  readonly dropout?: boolean
  /** Null: evaluates the loss. */
  readonly optimizer: OptimizerOptions | null
  /** Whether gradients are outputs, too. Default false. */
  readonly gradients?: boolean
}

/**
 * Fine-tuning. Inputs `frames`, `targets` float32 [B, classes] (soft: label smoothing, mixup), optionally `dropPath`
 * [2 * depth, B] and `dropout` [B, D]; those of `trainingPrograms`. Outputs `loss` [], `logits` [B, classes],
 * `gradientNorm` [].
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for classes that are not a positive integer
 */
export function buildFinetuneProgram(options: FinetuneProgramOptions): TrainingPrograms {
  const { configuration, batch, classes, optimizer, name = 'finetune' } = options
  const { depth, width } = configuration.encoder
  const graph = new Graph(stepName(name, optimizer))
  const frames = clipInput(graph, options)
  const dropPath = options.dropPath === true ? graph.input('dropPath', [2 * depth, batch]) : null
  const dropout = options.dropout === true ? graph.input('dropout', [batch, width]) : null
  const features = classifierFeatures(configuration, frames, { dropPath, layout: options.layout })
  return classifierPrograms(graph, name, linearHead(features, checkClasses(classes), dropout), options)
}

/** Sizes of a program that trains a head on features. */
export interface HeadProgramOptions {
  /** `linear` on features [B, D]; `attentive` on tokens [B, N, D]. */
  readonly head: 'linear' | 'attentive'
  /** Rows of one run. */
  readonly batch: number
  /** Values of a row of features. */
  readonly width: number
  /** Tokens per clip, for `attentive`. */
  readonly tokens?: number
  /** Attention heads of `attentive`. Default: heads of 64 values. */
  readonly heads?: number
  /** Hidden width of the MLP of `attentive`. Default 4 * width. */
  readonly mlpWidth?: number
  /** Number of classes. */
  readonly classes: number
  /** Null: evaluates. */
  readonly optimizer: OptimizerOptions | null
  /** Whether gradients are outputs, too. Default false. */
  readonly gradients?: boolean
  /** Name of the program. */
  readonly name?: string
}

/**
 * A head alone, on features computed before (probes, many small heads). Inputs `features` [B, D] or [B, N, D], `targets`
 * [B, classes]; those of `trainingPrograms`. Outputs `loss`, `logits`, `gradientNorm`.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for fewer than two classes, or an attentive head without `tokens`; `SHAPE_MISMATCH`
 */
export function buildHeadProgram(options: HeadProgramOptions): TrainingPrograms {
  const { head, batch, width, tokens, classes, optimizer, name = `probe.${head}` } = options
  const graph = new Graph(stepName(name, optimizer))
  checkClasses(classes)
  if (head === 'linear') {
    return classifierPrograms(graph, name, linearHead(graph.input('features', [batch, width]), classes), options)
  }
  if (tokens === undefined) throw invalidArgument('tokens', 'the number of tokens per clip', tokens)
  const heads = options.heads ?? (width % 64 === 0 ? width / 64 : 1)
  const mlpWidth = options.mlpWidth ?? 4 * width
  const features = graph.input('features', [batch, tokens, width])
  const logits = attentiveHead(features, { classes, heads, mlpWidth, epsilon: 1e-6 })
  return classifierPrograms(graph, name, logits, options)
}

function classifierPrograms(
  graph: Graph,
  name: string,
  logits: Tensor,
  { optimizer, gradients = false }: { readonly optimizer: OptimizerOptions | null; readonly gradients?: boolean },
): TrainingPrograms {
  const loss = softmaxCrossEntropy(logits, graph.input('targets', logits.shape))
  return trainingPrograms(graph, name, loss, { loss, logits }, optimizer, { gradients })
}

function checkClasses(classes: number): number {
  if (!Number.isInteger(classes) || classes < 1) throw invalidArgument('classes', 'a positive integer', classes)
  return classes
}
