import type { KernelOf } from '../kernel.ts'
import { normalDistribution } from '../special-functions.ts'

export const gelu: KernelOf<'gelu'> = ([x]) => [x.data.map((value) => value * normalDistribution(value))]
