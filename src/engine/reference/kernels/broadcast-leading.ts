import { elementCount } from '../../../graph/program.ts'
import type { KernelOf } from '../kernel.ts'

export const broadcastLeading: KernelOf<'broadcastLeading'> = ([x], _attributes, [output]) => [
  Float64Array.from({ length: elementCount(output.shape) }, (_, i) => x.data[i % x.data.length]),
]
