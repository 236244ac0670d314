import { assembleModule, FunctionCode } from '../../../numeric/wasm/assembler.ts'
import { type WasmMemory, type WasmModule, wasm } from '../../../numeric/wasm/webassembly.ts'

/** 64 KiB each: the most that WebAssembly can address, 4 GiB less one page. */
export const largestMemoryPages = 65_535

/** Addresses and sizes are bytes; sizes are multiples of 16 above 0, addresses multiples of 16. */
export interface UpdateKernels {
  /** Sum of squares of the floats at `x`, in float64. */
  sumSquares(x: number, bytes: number): number
  /** AdamW as `AdamwUpdate` states it; `keep` is 1 - lr wd, `step` lr / (1 - b1^t), `correction` 1 / sqrt(1 - b2^t). */
  adamw(
    p: number,
    g: number,
    m: number,
    v: number,
    bytes: number,
    scale: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    keep: number,
    step: number,
    correction: number,
    epsilon: number,
  ): void
  /** `target = a * target + b * source`. */
  combine(target: number, source: number, bytes: number, a: number, b: number): void
}

function sumSquares(): FunctionCode {
  const code = new FunctionCode(['i32', 'i32'])
  const [x, bytes] = [0, 1]
  const offset = code.local('i32')
  const value = code.local('v128')
  const half = code.local('v128')
  const low = code.local('v128')
  const high = code.local('v128')
  code.forVectors(offset, bytes, () => {
    code.load(x, offset).tee(value).op('promoteLow').tee(half)
    code.get(half).op('multiplyDoubles').get(low).op('addDoubles').set(low)
    code.upperHalf(value).op('promoteLow').tee(half)
    code.get(half).op('multiplyDoubles').get(high).op('addDoubles').set(high)
  })
  code.get(low).get(high).op('addDoubles').set(low)
  return code.double(low, 0).double(low, 1).op('f64Add')
}

function adamw(): FunctionCode {
  const code = new FunctionCode(['i32', 'i32', 'i32', 'i32', 'i32', ...Array.from({ length: 9 }, () => 'f32' as const)])
  const [p, g, m, v, bytes] = [0, 1, 2, 3, 4]
  const constants = Array.from({ length: 9 }, (_, i) => {
    const splatted = code.local('v128')
    code
      .get(5 + i)
      .op('splat')
      .set(splatted)
    return splatted
  })
  const [scale, beta1, rest1, beta2, rest2, keep, step, correction, epsilon] = constants
  const offset = code.local('i32')
  const gradient = code.local('v128')
  const first = code.local('v128')
  const second = code.local('v128')
  const parameter = code.local('v128')
  code.forVectors(offset, bytes, () => {
    code.load(g, offset).get(scale).op('multiply').set(gradient)
    code.load(m, offset).get(beta1).op('multiply')
    code.get(gradient).get(rest1).op('multiply').op('add').set(first)
    code.store(m, offset, first)
    code.load(v, offset).get(beta2).op('multiply')
    code.get(gradient).get(gradient).op('multiply').get(rest2).op('multiply').op('add').set(second)
    code.store(v, offset, second)
    code.load(p, offset).get(keep).op('multiply')
    code.get(first).get(step).op('multiply')
    code.get(second).op('sqrt').get(correction).op('multiply').get(epsilon).op('add')
    code.op('divide').op('subtract').set(parameter)
    code.store(p, offset, parameter)
  })
  return code
}

function combine(): FunctionCode {
  const code = new FunctionCode(['i32', 'i32', 'i32', 'f32', 'f32'])
  const [target, source, bytes] = [0, 1, 2]
  const offset = code.local('i32')
  const [a, b, value] = [code.local('v128'), code.local('v128'), code.local('v128')]
  code.get(3).op('splat').set(a).get(4).op('splat').set(b)
  return code.forVectors(offset, bytes, () => {
    code.load(target, offset).get(a).op('multiply')
    code.load(source, offset).get(b).op('multiply').op('add').set(value)
    code.store(target, offset, value)
  })
}

/** The module; it imports a shared memory. */
export function compileUpdateKernels(): WasmModule {
  const functions = [
    { name: 'sumSquares', code: sumSquares(), results: ['f64'] as const },
    { name: 'adamw', code: adamw(), results: [] },
    { name: 'combine', code: combine(), results: [] },
  ]
  return new wasm.Module(assembleModule(functions, { imported: largestMemoryPages }))
}

export function instantiateUpdateKernels(module: WasmModule, memory: WasmMemory): UpdateKernels {
  const instance = new wasm.Instance(module, { memory: { memory } })
  return instance.exports as unknown as UpdateKernels
}
