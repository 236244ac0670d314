/** Just enough of the WebAssembly binary format to emit one function with SIMD loops. */

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return bytes
}

/** Signed LEB128 of a small integer. */
function signed(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (;;) {
    const low = rest & 0x7f
    rest >>= 7
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low]
    bytes.push(low | 0x80)
  }
}

const text = (value: string): number[] => [...unsigned(value.length), ...Buffer.from(value, 'ascii')]
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()]
const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body]
const simd = (opcode: number, ...rest: readonly number[]): number[] => [0xfd, ...unsigned(opcode), ...rest]
const at = (offset: number): number[] => [0, ...unsigned(offset)] // alignment hint 0, byte offset

export type ValueType = 'i32' | 'v128'
const typeByte = { i32: 0x7f, v128: 0x7b } as const

export const op = {
  get: (local: number) => [0x20, ...unsigned(local)],
  set: (local: number) => [0x21, ...unsigned(local)],
  constant: (value: number) => [0x41, ...signed(value)],
  add: [0x6a],
  subtract: [0x6b],
  multiply: [0x6c],
  notEqual: [0x47],
  /** A loop whose body leaves an i32 on the stack: non-zero goes round again. */
  loopWhile: (body: readonly number[]) => [0x03, 0x40, ...body, 0x0d, 0x00, 0x0b],
  zeroVector: simd(0x0c, ...new Array<number>(16).fill(0)),
  load: (offset: number) => simd(0x00, ...at(offset)),
  store: (offset: number) => simd(0x0b, ...at(offset)),
  f32: {
    bytes: 4,
    splat: (offset: number) => simd(0x09, ...at(offset)),
    add: simd(0xe4),
    multiply: simd(0xe6),
  },
  f64: {
    bytes: 8,
    splat: (offset: number) => simd(0x0a, ...at(offset)),
    add: simd(0xf0),
    multiply: simd(0xf2),
  },
} as const

/**
 * A module with one exported function `run` of i32 parameters and one exported memory `memory`.
 *
 * @param parameters number of i32 parameters
 * @param locals further locals, numbered after the parameters
 */
export function assemble(
  parameters: number,
  locals: readonly ValueType[],
  body: readonly number[],
): Uint8Array<ArrayBuffer> {
  const code = [...vector(locals.map((type) => [1, typeByte[type]])), ...body, 0x0b]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector([[0x60, ...vector(new Array<number[]>(parameters).fill([typeByte.i32])), 0]])),
    ...section(3, vector([[0]])),
    ...section(5, vector([[0x00, 1]])),
    ...section(
      7,
      vector([
        [...text('run'), 0x00, 0],
        [...text('memory'), 0x02, 0],
      ]),
    ),
    ...section(10, vector([[...unsigned(code.length), ...code]])),
  ])
}
