import { loweringRules } from '../../onnx/lowering/operations.ts'
import { attentionRules } from './attention.ts'
import { softmaxCrossEntropy } from './losses.ts'

/** The rules of the ONNX engine, less what ONNX Runtime has no WebGPU kernel for. `largest` bytes of scores per tile. */
export function webgpuRules(largest: number): typeof loweringRules {
  return { ...loweringRules, ...attentionRules(largest), softmaxCrossEntropy }
}
