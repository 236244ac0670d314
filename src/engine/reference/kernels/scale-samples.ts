import type { KernelOf } from '../kernel.ts'

export const scaleSamples: KernelOf<'scaleSamples'> = ([x, s]) => {
  const perSample = x.data.length / s.data.length
  return [x.data.map((value, i) => value * s.data[Math.floor(i / perSample)])]
}
