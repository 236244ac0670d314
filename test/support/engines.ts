import { describe } from 'vitest'
import { inThreadCudaEngine } from '../../src/engine/cuda/index.ts'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { engineNamed, listEngines } from '../../src/engine/index.ts'
import { inThreadNativeEngine } from '../../src/engine/native/index.ts'
import { inThreadOnnxEngine } from '../../src/engine/onnx/index.ts'
import { loadRuntime } from '../../src/engine/onnx/runtime.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import { inThreadTfjsEngine } from '../../src/engine/tfjs/index.ts'
import { inThreadWebgpuEngine } from '../../src/engine/webgpu/index.ts'
import { WebgpuSession } from '../../src/engine/webgpu/session.ts'
import { Graph } from '../../src/graph/graph.ts'
import { absolute } from '../../src/graph/operations/elementwise.ts'
import type { Program } from '../../src/graph/program.ts'

const listed = await listEngines()

/**
 * ONNX Runtime forgets its compiled shaders with the last session on a device, and a software adapter takes a second for some of
 * them. So one session stays open as long as the process.
 */
if (listed.some(({ name, available }) => name === 'webgpu' && available)) {
  const graph = new Graph('keep')
  await inThreadWebgpuEngine.open([graph.build({ y: absolute(graph.input('x', [1])) })])
}

/** The graphs of the engine webgpu without an adapter, with attention in tiles of a few rows. */
const graphsOnCpu: Engine = {
  name: 'webgpu graphs',
  probe: async () => ({ available: true, detail: 'computed by ONNX Runtime on the CPU' }),
  open: async (programs) =>
    WebgpuSession.open(await loadRuntime(), programs, { provider: 'cpu', largestScores: 4 * 60 }),
}

/** The engine tfjs on its slowest backend; without a device it takes the best that is installed, WebAssembly in these tests. */
const tfjsOnCpu: Engine = {
  ...inThreadTfjsEngine,
  name: 'tfjs cpu',
  open: (programs, options) => inThreadTfjsEngine.open(programs, { ...options, device: 'cpu' }),
}

/** Engines next to the listed ones, always in the calling thread. */
const additional = [graphsOnCpu, tfjsOnCpu]

/** Declares the tests of `body` for every engine; those of an engine that cannot run here are skipped, with the reason. */
export function describeEngines(title: string, body: (engine: () => Promise<Engine>, name: string) => void): void {
  for (const { name, available, detail } of listed) {
    describe.skipIf(!available)(`${title}: ${name} (${detail})`, () => body(() => engineNamed(name), name))
  }
  for (const engine of additional) {
    describe(`${title}: ${engine.name}`, () => body(async () => engine, engine.name))
  }
}

/** The engines without their threads, which take longer to start than an operation to check. */
const inThread = [
  ...[inThreadOnnxEngine, inThreadNativeEngine, inThreadCudaEngine, inThreadWebgpuEngine],
  ...[inThreadTfjsEngine, referenceEngine, ...additional],
]

/** @throws where an engine has no form without a thread */
export function engineInThread(name: string): Engine {
  const engine = inThread.find((each) => each.name === name)
  if (engine === undefined) throw new Error(`Expected the engine ${name} in the calling thread.`)
  return engine
}

/** Opens a session for the time of `use`. */
export async function withSession<T>(
  engine: Engine,
  programs: readonly Program[],
  use: (session: EngineSession) => Promise<T>,
): Promise<T> {
  const session = await engine.open(programs)
  try {
    return await use(session)
  } finally {
    await session.close()
  }
}
