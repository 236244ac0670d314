import type { KernelOf } from '../kernel.ts'
import { normalDensity, normalDistribution } from '../special-functions.ts'

/** b is a suffix of a's shape, so it repeats every `b.data.length` numbers. */
export const add: KernelOf<'add'> = ([a, b]) => [a.data.map((value, i) => value + b.data[i % b.data.length])]

/** b is a suffix of a's shape, so it repeats every `b.data.length` numbers. */
export const multiply: KernelOf<'multiply'> = ([a, b]) => [a.data.map((value, i) => value * b.data[i % b.data.length])]

export const scale: KernelOf<'scale'> = ([x], { factor }) => [x.data.map((value) => factor * value)]

export const scaleSamples: KernelOf<'scaleSamples'> = ([x, s]) => {
  const perSample = x.data.length / s.data.length
  return [x.data.map((value, i) => value * s.data[Math.floor(i / perSample)])]
}

export const gelu: KernelOf<'gelu'> = ([x]) => [x.data.map((value) => value * normalDistribution(value))]

export const geluGradient: KernelOf<'geluGradient'> = ([dy, x]) => [
  x.data.map((value, i) => dy.data[i] * (normalDistribution(value) + value * normalDensity(value))),
]

export const absolute: KernelOf<'absolute'> = ([x]) => [x.data.map(Math.abs)]

export const squareRoot: KernelOf<'squareRoot'> = ([x]) => [x.data.map(Math.sqrt)]
