import type { Precision } from '../../engine.ts'
import { loweringRules } from '../../onnx/lowering/operations.ts'
import { attentionRules } from './attention.ts'
import { float16Product, float32Product, linear, linearInputGradient } from './float16.ts'
import { softmaxCrossEntropy } from './losses.ts'

/**
 * The rules of the ONNX engine, less what ONNX Runtime has no WebGPU kernel for.
 *
 * @param largest bytes of scores per tile
 */
export function webgpuRules(largest: number, precision: Precision): typeof loweringRules {
  const half = precision === 'float16'
  return {
    ...loweringRules,
    ...attentionRules({ largest, product: half ? float16Product : float32Product }),
    ...(half ? { linear, linearInputGradient } : {}),
    softmaxCrossEntropy,
  }
}
