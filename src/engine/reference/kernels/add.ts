import type { KernelOf } from '../kernel.ts'

/** b is a suffix of a's shape, so it repeats every `b.data.length` numbers. */
export const add: KernelOf<'add'> = ([a, b]) => [a.data.map((value, i) => value + b.data[i % b.data.length])]
