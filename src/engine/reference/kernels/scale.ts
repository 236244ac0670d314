import type { KernelOf } from '../kernel.ts'

export const scale: KernelOf<'scale'> = ([x], { factor }) => [x.data.map((value) => factor * value)]
