/** Just enough of the WebAssembly binary format (core specification 2.0, chapter 5) for loops over vectors in one memory. */

/** An unsigned LEB128 number. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 128 : low)
  } while (rest > 0)
  return bytes
}

/** A signed LEB128 number of at most 32 bits. */
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

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function named(name: string): number[] {
  return vector([...Buffer.from(name)].map((byte) => [byte]))
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  const content = vector(items)
  return [id, ...unsigned(content.length), ...content]
}

export const types = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const
type ValueType = keyof typeof types

/** Instructions without operands of the caller. Those of vectors carry the prefix 0xfd. */
const simple = {
  i32Add: [0x6a],
  i32Subtract: [0x6b],
  i32Multiply: [0x6c],
  i32NotEqual: [0x47],
  i32LessUnsigned: [0x49],
  f64Add: [0xa0],
  zeroVector: [0xfd, 0x0c, ...new Array<number>(16).fill(0)],
  splat: [0xfd, 0x13],
  sqrt: [0xfd, 0xe3, 0x01],
  add: [0xfd, 0xe4, 0x01],
  subtract: [0xfd, 0xe5, 0x01],
  multiply: [0xfd, 0xe6, 0x01],
  divide: [0xfd, 0xe7, 0x01],
  /** The lower two floats as two doubles. */
  promoteLow: [0xfd, 0x5f],
  addDoubles: [0xfd, 0xf0, 0x01],
  multiplyDoubles: [0xfd, 0xf2, 0x01],
} as const

/** The code of one function. Locals are known by number, parameters first. */
export class FunctionCode {
  readonly parameters: readonly ValueType[]
  private readonly locals: ValueType[] = []
  private readonly bytes: number[] = []

  constructor(parameters: readonly ValueType[]) {
    this.parameters = parameters
  }

  local(type: ValueType): number {
    this.locals.push(type)
    return this.parameters.length + this.locals.length - 1
  }

  get(local: number): this {
    return this.put(0x20, ...unsigned(local))
  }

  set(local: number): this {
    return this.put(0x21, ...unsigned(local))
  }

  tee(local: number): this {
    return this.put(0x22, ...unsigned(local))
  }

  /** A constant of type i32. */
  constant(value: number): this {
    return this.put(0x41, ...signed(value))
  }

  op(name: keyof typeof simple): this {
    return this.put(...simple[name])
  }

  /** Loads the vector at the address on the stack and a fixed number of bytes behind it. */
  loadAt(bytes: number): this {
    return this.put(0xfd, 0x00, 0, ...unsigned(bytes))
  }

  /** Stores the vector on the stack at the address below it and a fixed number of bytes behind that. */
  storeAt(bytes: number): this {
    return this.put(0xfd, 0x0b, 0, ...unsigned(bytes))
  }

  /** Loads one number at the address on the stack and a fixed number of bytes behind it, into all lanes. */
  splatAt(type: 'f32' | 'f64', bytes: number): this {
    return this.put(0xfd, type === 'f32' ? 0x09 : 0x0a, 0, ...unsigned(bytes))
  }

  /** Loads the vector at `address + offset`. */
  load(address: number, offset: number): this {
    return this.get(address).get(offset).op('i32Add').put(0xfd, 0x00, 4, 0)
  }

  /** Stores the vector in `value` at `address + offset`. */
  store(address: number, offset: number, value: number): this {
    return this.get(address).get(offset).op('i32Add').get(value).put(0xfd, 0x0b, 4, 0)
  }

  /** Moves the upper two floats of the vector in `value` into the lower lanes. */
  upperHalf(value: number): this {
    return this.get(value)
      .get(value)
      .put(0xfd, 0x0d, ...Array.from({ length: 16 }, (_, i) => (i + 8) % 16))
  }

  double(value: number, lane: 0 | 1): this {
    return this.get(value).put(0xfd, 0x21, lane)
  }

  /** Repeats `body` with `offset` = 0, 16, ... below the local `end`, which is at least 16. */
  forVectors(offset: number, end: number, body: () => void): this {
    this.put(0x41, 0).set(offset).put(0x03, 0x40)
    body()
    this.get(offset).put(0x41, 16).op('i32Add').tee(offset).get(end).op('i32LessUnsigned').put(0x0d, 0)
    return this.put(0x0b)
  }

  /** Repeats `body` while it leaves another i32 than zero. */
  loopWhile(body: () => void): this {
    this.put(0x03, 0x40)
    body()
    return this.put(0x0d, 0, 0x0b)
  }

  /** As an entry of the code section. */
  encode(): number[] {
    const content = [...vector(this.locals.map((type) => [1, types[type]])), ...this.bytes, 0x0b]
    return [...unsigned(content.length), ...content]
  }

  private put(...bytes: readonly number[]): this {
    this.bytes.push(...bytes)
    return this
  }
}

export interface ModuleFunction {
  readonly name: string
  readonly code: FunctionCode
  readonly results: readonly ValueType[]
}

/** The one memory of a module. */
export type ModuleMemory =
  /** Shared and imported as `memory.memory`, with the most pages that it may grow to. */
  | { readonly imported: number }
  /** The module's own, exported as `memory`. */
  | { readonly exported: 'memory' }

/** A module that exports functions, which read and write one memory. */
export function assembleModule(functions: readonly ModuleFunction[], memory: ModuleMemory): Uint8Array<ArrayBuffer> {
  const imported = 'imported' in memory
  const exports = functions.map(({ name }, i) => [...named(name), 0x00, ...unsigned(i)])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      functions.map(({ code, results }) => [
        0x60,
        ...vector(code.parameters.map((type) => [types[type]])),
        ...vector(results.map((type) => [types[type]])),
      ]),
    ),
    ...(imported
      ? section(2, [[...named('memory'), ...named('memory'), 0x02, 0x03, ...unsigned(1), ...unsigned(memory.imported)]])
      : []),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...(imported ? [] : section(5, [[0x00, 1]])),
    ...section(7, imported ? exports : [...exports, [...named(memory.exported), 0x02, 0]]),
    ...section(
      10,
      functions.map(({ code }) => code.encode()),
    ),
  ])
}
