/**
 * A program as plain data: what a graph becomes once it is built. It survives `structuredClone`, so it can be sent to a
 * worker thread, and it is all that an engine ever sees.
 *
 * A run of a program: inputs are fed, nodes are computed in order, outputs are read, then the updates change the state
 * in the order in which they stand. State (parameters, moments, accumulators, EMAs) lives in the engine and is
 * shared by name between all programs of one session.
 */
export type DataType = 'float32' | 'int32' | 'uint8'

/** Shapes are static; `[]` is a scalar. */
export interface TensorSpec {
  /** Sizes of the axes. */
  readonly shape: readonly number[]
  /** Type of the values. */
  readonly dtype: DataType
}

/** Value of an attribute: plain data. */
export type AttributeValue = number | string | boolean | null | readonly number[]
/** Attributes of a node, by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>

/** A tensor is known by its position in `Program.tensors`. */
export type TensorId = number

/** One operation with its inputs and outputs. */
export interface ProgramNode {
  /** Name of the operation. */
  readonly operation: string
  /** Tensors that it reads, by their index. */
  readonly inputs: readonly TensorId[]
  /** Tensors that it makes, by their index. */
  readonly outputs: readonly TensorId[]
  /** What the operation needs to know besides its inputs. */
  readonly attributes: Attributes
}

/** A tensor that a program knows by a name. */
export interface NamedTensor {
  /** The name. */
  readonly name: string
  /** The tensor, by its index in the program. */
  readonly tensor: TensorId
}

/** Values of a tensor that are part of the program. */
export interface ProgramConstant {
  /** The tensor, by its index in the program. */
  readonly tensor: TensorId
  /** Its values, row-major. */
  readonly data: Float32Array | Int32Array | Uint8Array
}

/** Where an optimizer finds a gradient: a tensor of this program, or an accumulator in the state. */
export type GradientSource =
  | {
      /** A tensor of the program. */
      readonly tensor: TensorId
    }
  | {
      /** An accumulator, by its name in the state. */
      readonly state: string
    }

/** A parameter that AdamW changes, and its gradient. */
export interface AdamwEntry {
  /** Name of the parameter in the state. */
  readonly parameter: string
  /** Where its gradient is. */
  readonly gradient: GradientSource
  /** Names of the moments in the state; same shape as the parameter. */
  readonly firstMoment: string
  /** Name of the mean of squared gradients in the state. */
  readonly secondMoment: string
  /** Multiplies the weight decay input; 0 for biases, norms and tokens. */
  readonly decayScale: number
  /** Multiplies the learning rate input (layer-wise decay). */
  readonly learningRateScale: number
}

/**
 * AdamW with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as torch.optim.AdamW computes it:
 *
 *     p -= lr * wd * p;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *     p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps)
 *
 * Before that `g` is multiplied by `gradientScale` and, where `clipNorm` is set, by
 * `min(1, clipNorm / (norm + 1e-6))` with the norm over all entries (after `gradientScale`).
 * A norm that is not finite leaves every parameter and moment as it was.
 */
export interface AdamwUpdate {
  /** Tells the kinds of updates apart. */
  readonly kind: 'adamw'
  /** One for each parameter that learns. */
  readonly entries: readonly AdamwEntry[]
  /** Scalar inputs (shape []) of the program. `step` is 1 for the first update. */
  readonly learningRate: TensorId
  /** Scalar input (shape []): decoupled weight decay. */
  readonly weightDecay: TensorId
  /** Scalar input (shape []): 1 for the first update. */
  readonly step: TensorId
  /** Decay of the first moment, 0 to 1. */
  readonly beta1: number
  /** Decay of the second moment, 0 to 1. */
  readonly beta2: number
  /** Added to the root of the second moment. */
  readonly epsilon: number
  /** Every gradient is multiplied by it before it is clipped. */
  readonly gradientScale: number
  /** Largest global norm of the gradients; null: no clipping. */
  readonly clipNorm: number | null
  /** The global gradient norm before clipping is returned under this output name. */
  readonly gradientNormOutput: string
}

/** An exponential moving average: `ema = decay * ema + (1 - decay) * source`. */
export interface EmaUpdate {
  /** Tells the kinds of updates apart. */
  readonly kind: 'ema'
  /** An average in the state, and the state that it follows. */
  readonly entries: readonly { readonly ema: string; readonly source: string }[]
  /** Scalar input. */
  readonly decay: TensorId
}

/** `accumulator += weight * gradient`. */
export interface AccumulateUpdate {
  /** Tells the kinds of updates apart. */
  readonly kind: 'accumulate'
  /** An accumulator in the state, and the gradient that is added to it. */
  readonly entries: readonly { readonly accumulator: string; readonly gradient: TensorId }[]
  /** Scalar input. */
  readonly weight: TensorId
}

/**
 * Replaces gradients by their sum over the ranks of a distributed run, before later updates read them. Without other ranks nothing
 * happens. A mean is `AdamwUpdate.gradientScale` of 1 / ranks behind it.
 */
export interface ReduceUpdate {
  readonly kind: 'reduce'
  readonly gradients: readonly GradientSource[]
}

/** Sets states to zero. */
export interface ZeroUpdate {
  /** Tells the kinds of updates apart. */
  readonly kind: 'zero'
  /** Names in the state. */
  readonly states: readonly string[]
}

/** How a run changes the state after its outputs are computed. */
export type Update = AdamwUpdate | EmaUpdate | AccumulateUpdate | ReduceUpdate | ZeroUpdate

/** A recorded computation as plain data: tensors, nodes, inputs, state, outputs and updates. */
export interface Program {
  /** By which a session runs it. */
  readonly name: string
  /** All tensors; other fields name them by their index. */
  readonly tensors: readonly TensorSpec[]
  /** Fed at each run. */
  readonly inputs: readonly NamedTensor[]
  /** State tensors the nodes read. Those that only updates touch stand in `updateState`. All are float32. */
  readonly state: readonly NamedTensor[]
  /** State that only updates touch, with its shape. */
  readonly updateState: readonly { readonly name: string; readonly shape: readonly number[] }[]
  /** Tensors whose values are part of the program. */
  readonly constants: readonly ProgramConstant[]
  /** In an order in which every node comes after the nodes it needs. */
  readonly nodes: readonly ProgramNode[]
  /** Returned by each run. */
  readonly outputs: readonly NamedTensor[]
  /** What changes the state after each run, in this order. */
  readonly updates: readonly Update[]
}

/** Number of elements of a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const size of shape) count *= size
  return count
}

/** Whether two shapes agree. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i])
}

/** A type and shape as text, such as `float32[2,3]`. */
export function formatSpec(spec: TensorSpec): string {
  return `${spec.dtype}[${spec.shape.join(',')}]`
}
