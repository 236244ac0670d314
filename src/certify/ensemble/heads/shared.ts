/** The same numbers where threads can see them. */
export function shared<T extends Float32Array | Int32Array>(
  Kind: { new (buffer: SharedArrayBuffer): T; readonly BYTES_PER_ELEMENT: number },
  values: T,
): T {
  const copy = new Kind(new SharedArrayBuffer(values.length * Kind.BYTES_PER_ELEMENT))
  copy.set(values)
  return copy
}
