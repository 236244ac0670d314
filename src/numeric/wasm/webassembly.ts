/** The part of the WebAssembly interface used here; the type library of plain ES2023 does not declare it. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer
}

/** The memory of a module of its own. */
export interface OwnMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

declare const moduleBrand: unique symbol
/** A compiled module; can be posted to threads. */
export interface WasmModule {
  readonly [moduleBrand]: true
}

interface WasmInterface {
  readonly Memory: new (limits: {
    readonly initial: number
    readonly maximum: number
    readonly shared: true
  }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (
    module: WasmModule,
    imports?: { readonly memory: { readonly memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> }
}

export const wasm = (globalThis as unknown as { readonly WebAssembly: WasmInterface }).WebAssembly
