import { elementCount, type Program } from '../../graph/program.ts'

/** Sizes of all states of a program, by name. */
export type StateSizes = ReadonlyMap<string, number>

/** Sizes of all states that a program reads or updates, by name. */
export function stateSizes(program: Program): StateSizes {
  const read = program.state.map(({ name, tensor }) => [name, elementCount(program.tensors[tensor].shape)] as const)
  const updated = program.updateState.map(({ name, shape }) => [name, elementCount(shape)] as const)
  return new Map([...read, ...updated])
}
