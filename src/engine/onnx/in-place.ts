import type { OnnxModel } from '../../format/onnx.ts'
import type { InferenceSession, Tensor } from './runtime.ts'

/**
 * ONNX Runtime writes outputs straight into the tensors that a run is given for them; its Node.js binding then copies
 * each of them into a new ArrayBuffer all the same: 380 MB and 70 ms for the gradients of ViT-B. It goes through the
 * outputs in their order and gives up at the first that it cannot turn into a tensor. So the first output of a model
 * that runs in place is an empty sequence, and being refused is how its runs succeed.
 */
const refusedOutput = 'update_none'
const refusal = /^Non tensor type/

/** The model with the output that the binding refuses. */
export function refusingOutputs(model: OnnxModel): OnnxModel {
  const { nodes } = model.graph
  const node = { op: 'SequenceEmpty', name: refusedOutput, inputs: [], outputs: [refusedOutput] }
  return { ...model, graph: { ...model.graph, nodes: [...nodes, node], otherOutputs: [refusedOutput] } }
}

/** Runs a model of `refusingOutputs`; all of its outputs are then in `fetches`. */
export async function runInPlace(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: Readonly<Record<string, Tensor>>,
): Promise<void> {
  try {
    await session.run(feeds, { [refusedOutput]: null, ...fetches })
  } catch (error) {
    if (!(error instanceof Error && refusal.test(error.message))) throw error
  }
}
