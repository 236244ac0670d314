/** Entry of the thread: loads the engine it was told to and serves one session of it after another. */
import { parentPort, workerData } from 'node:worker_threads'
import { VideoMaeError } from '../../core/errors.ts'
import type { Engine, EngineSession, RunInputs } from '../engine.ts'
import { type Posted, postError, type Reply, type Request, type Results, type ThreadStart } from './protocol.ts'

const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')

const { module, exportName } = workerData as ThreadStart
const loading = import(module).then((exports: Readonly<Record<string, unknown>>) => {
  const engine = exports[exportName] as Engine | undefined
  if (engine !== undefined) return engine
  throw new VideoMaeError(`Expected ${module} to export ${exportName}.`, { code: 'ENGINE_FAILED' })
})
loading.catch(() => undefined) // The answer to `open` says so.

let session: EngineSession | null = null
/** What the last `prefetch` brought: a session knows announced arrays by identity. */
let announced: RunInputs = {}

async function serve(request: Request): Promise<Results[keyof Results]> {
  if (request.call === 'open') {
    announced = {}
    session = await (await loading).open(request.programs, request.options)
    return { prefetches: session.prefetch !== undefined, cancels: session.cancel !== undefined }
  }
  // A request to cancel may come after the end of the session.
  if (session === null) return undefined
  return serveSession(session, request)
}

async function serveSession(
  session: EngineSession,
  request: Exclude<Request, { call: 'open' }>,
): Promise<Results[keyof Results]> {
  switch (request.call) {
    case 'run': {
      const known = request.announced.map((name) => [name, announced[name]] as const)
      return session.run(request.program, { ...Object.fromEntries(known), ...request.inputs })
    }
    case 'prefetch':
      announced = request.inputs
      await session.prefetch?.(request.program, announced)
      return undefined
    case 'readState':
      return session.readState(request.names)
    case 'writeState':
      await session.writeState(request.values)
      return undefined
    case 'memory':
      return session.memory()
    case 'cancel':
      session.cancel?.()
      return undefined
    case 'close':
      await session.close()
      endSession()
      return undefined
  }
}

/** Leaves nothing of the session in memory while the thread waits for the next one. */
function endSession(): void {
  session = null
  announced = {}
}

/** Memory that moves to the other thread instead of being copied. */
function transferable(result: Results[keyof Results]): ArrayBuffer[] {
  if (typeof result !== 'object') return []
  const values: unknown[] = result instanceof Map ? [...result.values()] : Object.values(result)
  const buffers = values.map((value) => (value instanceof Float32Array ? value.buffer : null))
  return [...new Set(buffers.filter((buffer) => buffer instanceof ArrayBuffer))]
}

async function answer(number: number, work: () => Promise<Results[keyof Results]>): Promise<void> {
  let reply: Reply
  try {
    reply = { number, result: await work() }
  } catch (error) {
    reply = { number, error: postError(error) }
  }
  port?.postMessage(reply, 'result' in reply ? transferable(reply.result) : [])
}

port.on('message', ({ number, request }: Posted) => void answer(number, () => serve(request)))
