import { VideoMaeError } from '../core/errors.ts'
import type { Availability, Engine } from './engine.ts'

export type {
  Availability,
  Engine,
  EngineOptions,
  EngineSession,
  InputValue,
  MemoryUse,
  Precision,
  RunInputs,
  RunOutputs,
} from './engine.ts'

/** Modules are loaded only when their engine is asked for, so that a native library that is missing costs nothing. */
const loaders: ReadonlyMap<string, () => Promise<Engine>> = new Map([
  ['onnx', async () => (await import('./onnx/index.ts')).onnxEngine],
  ['native', async () => (await import('./native/index.ts')).nativeEngine],
  ['cuda', async () => (await import('./cuda/index.ts')).cudaEngine],
  ['webgpu', async () => (await import('./webgpu/index.ts')).webgpuEngine],
  ['tfjs', async () => (await import('./tfjs/index.ts')).tfjsEngine],
  ['reference', async () => (await import('./reference/index.ts')).referenceEngine],
])

/** Names of all engines, whether or not this machine can run them. */
export const engineNames: readonly string[] = [...loaders.keys()]

/**
 * The engine of a name.
 *
 * @throws VideoMaeError `ENGINE_UNKNOWN`
 *
 * @example
 * ```ts
 * import { engineNamed } from 'videomae/graph'
 *
 * const engine = await engineNamed('reference')
 * engine.name // => 'reference'
 * ```
 */
export async function engineNamed(name: string): Promise<Engine> {
  const load = loaders.get(name)
  if (load === undefined) {
    throw new VideoMaeError(
      `Expected one of the engines ${engineNames.join(', ')}, but received ${JSON.stringify(name)}.`,
      {
        code: 'ENGINE_UNKNOWN',
        exit: 'usage',
        hint: 'Leave the engine out to use the default.',
      },
    )
  }
  return load()
}

/** What each engine says about this machine, in the order of `engineNames`. Never throws. */
export async function listEngines(): Promise<(Availability & { readonly name: string })[]> {
  return Promise.all(
    engineNames.map(async (name) => {
      try {
        return { name, ...(await (await engineNamed(name)).probe()) }
      } catch (error) {
        return { name, available: false, detail: error instanceof Error ? error.message : String(error) }
      }
    }),
  )
}
