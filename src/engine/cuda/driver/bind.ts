import koffi from 'koffi'

/** A C function that returns a status, 0 for success. */
export type StatusFunction = (...values: readonly unknown[]) => number

/**
 * Functions of a shared library that return a status. Throws where the library or one of the functions is missing.
 * Handles, device addresses and pointers that C code hands out are uint64; pointers to memory of ours are Buffers or
 * typed arrays.
 */
export function bindLibrary<Name extends string>(
  path: string,
  signatures: Readonly<Record<Name, readonly string[]>>,
): Readonly<Record<Name, StatusFunction>> {
  const library = koffi.load(path)
  const bound: Partial<Record<Name, StatusFunction>> = {}
  for (const [name, parameters] of Object.entries<readonly string[]>(signatures)) {
    const call = library.func(name, 'int', [...parameters])
    bound[name as Name] = (...values) => Number(call(...values))
  }
  return bound as Readonly<Record<Name, StatusFunction>>
}
