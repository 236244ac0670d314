import { VideoMaeError } from '../../../core/errors.ts'
import type { OnnxInitializer, OnnxModel, OnnxValue } from '../../../format/onnx.ts'
import type { OperationName } from '../../../graph/operations/index.ts'
import {
  elementCount,
  type NamedTensor,
  type Program,
  type ProgramNode,
  type TensorId,
} from '../../../graph/program.ts'
import { batchedTensors, tensorUses } from './analyze.ts'
import { LoweringContext, type LoweringRule, type ValueName } from './context.ts'
import { loweringRules } from './operations.ts'

export interface LowerOptions {
  /** Only operators of the standard domain (opset 17): runs anywhere, slower to train with. Default false. */
  readonly standardOnly?: boolean
  /**
   * The first axis of every input of the batch's size becomes the symbolic dimension `batch`. The batch is the first
   * size of the first input; build the program with a batch of 2 or more, so that it cannot be taken for another axis.
   * Default false.
   */
  readonly dynamicBatch?: boolean
  /** Values of the state: they become part of the model. Otherwise state comes in as inputs `stateInput(name)`. */
  readonly embeddedState?: ReadonlyMap<string, Float32Array>
  /** Entries of the model's metadata. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** What an engine on another device than the CPU changes. */
export interface DeviceLowering {
  readonly rules: typeof loweringRules
  /** Tensors that `finish` reads; they need not be outputs. */
  readonly read: readonly TensorId[]
  /** Adds nodes behind those of the program and returns the model's further inputs and outputs. */
  readonly finish: (context: LoweringContext) => {
    readonly inputs: readonly OnnxValue[]
    readonly outputs: readonly OnnxValue[]
  }
}

/** What the engine needs to know next to the model. */
export interface LoweredProgram {
  readonly model: OnnxModel
  /** Name of the model's output for every tensor that an update reads. */
  readonly updateOutputs: ReadonlyMap<TensorId, string>
}

const opset = 17
const irVersion = 8

/** Name of the model input that a state comes in as. */
export function stateInput(name: string): string {
  return `state/${name}`
}

/**
 * A program as an ONNX model: inputs, outputs and (embedded) state keep their names. Updates and the inputs
 * that only they read are not part of it.
 *
 * @throws VideoMaeError `PROGRAM_UNSUPPORTED` for an operation that does not exist, one that standard operators cannot
 *   say, or shapes in which the batch cannot be told from other axes; `STATE_MISSING`, `SHAPE_MISMATCH` for embedded state
 */
export function lowerProgram(program: Program, options: LowerOptions = {}): OnnxModel {
  return lower(program, options, []).model
}

/** @param extra tensors to return besides the program's outputs */
export function lower(
  program: Program,
  options: LowerOptions,
  extra: readonly TensorId[],
  device: DeviceLowering | null = null,
): LoweredProgram {
  const { standardOnly = false, dynamicBatch = false, embeddedState, metadata } = options
  const { batch, batched } = dynamicBatch ? batchedTensors(program) : { batch: null, batched: new Set<TensorId>() }
  const { names, outputs, copies, updateOutputs } = nameTensors(program, extra, embeddedState !== undefined)
  const context = new LoweringContext({
    program,
    standardOnly,
    batch,
    batched,
    names,
    taken: [...names.values(), ...outputs.map(({ name }) => name)],
    ...tensorUses(program, [...extra, ...(device?.read ?? [])]),
    batchSource: program.inputs[0]?.name ?? null,
  })
  for (const { tensor, data } of program.constants) {
    const { shape, dtype } = program.tensors[tensor]
    const name = context.value(tensor)
    context.initializers.set(name, { name, type: dtype, shape, data })
  }
  const rules = device?.rules ?? loweringRules
  for (const node of parametersFirst(program.nodes)) ruleOf(program, node.operation, rules)(node, context)
  for (const { from, into } of copies) context.emit('Identity', [context.value(from)], {}, into)
  if (embeddedState !== undefined) {
    for (const initializer of embed(program, embeddedState)) context.initializers.set(initializer.name, initializer)
  }

  const further = device?.finish(context) ?? { inputs: [], outputs: [] }

  const describe = ({ name, tensor }: NamedTensor): OnnxValue => {
    const { shape, dtype } = program.tensors[tensor]
    return { name, type: dtype, shape: batched.has(tensor) ? ['batch', ...shape.slice(1)] : [...shape] }
  }
  const states = program.state.map(({ name, tensor }) => ({ name: stateInput(name), tensor }))
  const used = new Set<ValueName>(context.nodes.flatMap(({ inputs }) => inputs))
  const model: OnnxModel = {
    irVersion,
    opsets: [{ domain: '', version: opset }, ...(standardOnly ? [] : [{ domain: 'com.microsoft', version: 1 }])],
    producerName: 'videomae',
    metadata,
    graph: {
      name: program.name,
      inputs: [
        ...[...program.inputs, ...(embeddedState === undefined ? states : [])]
          .filter(({ name }) => used.has(name))
          .map(describe),
        ...further.inputs,
      ],
      outputs: [...outputs.map(describe), ...further.outputs],
      initializers: [...context.initializers.values()].filter(({ name }) => used.has(name)),
      nodes: context.nodes,
    },
  }
  return { model, updateOutputs }
}

/** Puts a linear's parameter gradient before its input gradient, so that it can be computed while dy is in the cache. */
function parametersFirst(nodes: readonly ProgramNode[]): readonly ProgramNode[] {
  const ordered = [...nodes]
  for (let i = 1; i < ordered.length; i++) {
    const [before, node] = [ordered[i - 1], ordered[i]]
    const swap = before.operation === 'linearInputGradient' && node.operation === 'linearParameterGradient'
    if (swap && before.inputs[0] === node.inputs[0]) [ordered[i - 1], ordered[i]] = [node, before]
  }
  return ordered
}

function ruleOf(program: Program, operation: string, rules: typeof loweringRules): LoweringRule {
  if (!Object.hasOwn(rules, operation)) {
    throw new VideoMaeError(`The program ${program.name} uses the operation ${operation}, which does not exist.`, {
      code: 'PROGRAM_UNSUPPORTED',
    })
  }
  return rules[operation as OperationName]
}

/** Name of the model output for the output `name` of a program with these input names. */
export function outputName(name: string, inputs: ReadonlySet<string>): string {
  return inputs.has(name) ? `output/${name}` : name
}

/** A tensor has one name; the further ones of a tensor that is returned twice, or is an input too, are copies. */
function nameTensors(program: Program, extra: readonly TensorId[], embedded: boolean) {
  const names = new Map<TensorId, ValueName>(program.inputs.map(({ name, tensor }) => [tensor, name]))
  for (const { name, tensor } of program.state) names.set(tensor, embedded ? name : stateInput(name))
  for (const { tensor } of program.constants) names.set(tensor, `program_constant_${tensor}`)
  const copies: { readonly from: TensorId; readonly into: ValueName }[] = []
  const outputs: NamedTensor[] = []
  const updateOutputs = new Map<TensorId, string>()
  const inputs = new Set(program.inputs.map(({ name }) => name))
  const declare = ({ name, tensor }: NamedTensor): void => {
    // ONNX has one space of names: an output may not be called as an input is.
    const output = { name: outputName(name, inputs), tensor }
    if (names.has(output.tensor)) copies.push({ from: output.tensor, into: output.name })
    else names.set(output.tensor, output.name)
    outputs.push(output)
    updateOutputs.set(output.tensor, output.name)
  }
  for (const output of program.outputs) declare(output)
  for (const tensor of extra) if (!updateOutputs.has(tensor)) declare({ name: `update_${tensor}`, tensor })
  return { names, copies, outputs, updateOutputs }
}

function embed(program: Program, values: ReadonlyMap<string, Float32Array>): OnnxInitializer[] {
  return program.state.map(({ name, tensor }) => {
    const { shape } = program.tensors[tensor]
    const data = values.get(name)
    if (data === undefined) {
      throw new VideoMaeError(`Expected a value of the state ${name} to embed, but received none.`, {
        code: 'STATE_MISSING',
      })
    }
    if (data.length !== elementCount(shape)) {
      throw new VideoMaeError(
        `The state ${name} has shape [${shape.join(',')}], ${elementCount(shape)} values, but received ${data.length}.`,
        { code: 'SHAPE_MISMATCH' },
      )
    }
    return { name, type: 'float32', shape, data }
  })
}
