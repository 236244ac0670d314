import type { KernelOf } from '../kernel.ts'
import { normalDensity, normalDistribution } from '../special-functions.ts'

export const geluGradient: KernelOf<'geluGradient'> = ([dy, x]) => [
  x.data.map((value, i) => dy.data[i] * (normalDistribution(value) + value * normalDensity(value))),
]
