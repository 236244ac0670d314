import { rm } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { makeTemporaryFolder } from '../core/make-folder.ts'
import { loadRuntime } from '../engine/onnx/runtime.ts'
import { type OnnxModel, type OnnxNode, writeModel } from '../format/onnx.ts'
import type { ClipTensor } from './check.ts'

/** Between what bounds the values of a tensor are. */
export interface ActivationRange {
  readonly low: number
  readonly high: number
}

/** Ranges of activations by the name of their value in the graph. */
export type ActivationRanges = ReadonlyMap<string, ActivationRange>

/** Activations, not weights, that enter matrix products: first operands of Gemm, both operands of MatMul. */
export function productOperands({ graph }: OnnxModel): string[] {
  const constants = new Set(graph.initializers.map(({ name }) => name))
  const operands = graph.nodes.flatMap(({ op, inputs }) =>
    op === 'Gemm' ? inputs.slice(0, 1) : op === 'MatMul' ? inputs : [],
  )
  return [...new Set(operands)].filter((name) => !constants.has(name))
}

/**
 * Runs a float model on clips, one at a time, and measures what enters its matrix products.
 *
 * A range spans the smallest and largest value of all clips. The mean over clips of their extremes, which cuts outliers
 * off, had 5 to 14 times the error on normal values.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` without clips
 */
export async function measureRanges(
  model: OnnxModel,
  clips: readonly ClipTensor[],
  { signal, onClip }: { readonly signal?: AbortSignal; readonly onClip?: () => void } = {},
): Promise<ActivationRanges> {
  if (clips.length === 0) throw invalidArgument('calibration', 'at least one clip', 'none')
  const names = productOperands(model)
  const ranges = names.map(() => ({ low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY }))
  const { create, Tensor } = await loadRuntime()
  const folder = makeTemporaryFolder('calibration')
  try {
    const file = path.join(folder, 'model.onnx')
    await writeModel(file, withExtremes(model, names))
    const session = await create(file)
    try {
      for (const { type, data, shape } of clips) {
        signal?.throwIfAborted()
        const outputs = await session.run({ [session.inputNames[0]]: new Tensor(type, data, shape) })
        for (const [i, range] of ranges.entries()) {
          range.low = Math.min(range.low, Number(outputs[lowest(i)].data[0]))
          range.high = Math.max(range.high, Number(outputs[highest(i)].data[0]))
        }
        onClip?.()
      }
    } finally {
      await session.release()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return new Map(names.map((name, i) => [name, ranges[i]]))
}

const lowest = (index: number): string => `calibration/${index}/lowest`
const highest = (index: number): string => `calibration/${index}/highest`

/** The model with two scalars per value as its outputs, so that no activation has to leave it. */
function withExtremes(model: OnnxModel, names: readonly string[]): OnnxModel {
  const reduce = (op: string, input: string, output: string): OnnxNode => ({
    op,
    inputs: [input],
    outputs: [output],
    attributes: { keepdims: { int: 0 } },
  })
  const nodes = names.flatMap((name, i) => [
    reduce('ReduceMin', name, lowest(i)),
    reduce('ReduceMax', name, highest(i)),
  ])
  const outputs = nodes.map((node) => ({ name: node.outputs[0], type: 'float32' as const, shape: [] }))
  return { ...model, graph: { ...model.graph, nodes: [...model.graph.nodes, ...nodes], outputs } }
}
