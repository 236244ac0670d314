import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../core/entry.ts'
import { VideoMaeError } from '../../core/errors.ts'
import { loadRuntime } from './runtime.ts'
import { withoutShaderCaches } from './shader-caches.ts'

export interface ProviderCheck {
  readonly name: string
  /** Whether a session opens and runs with it here. */
  readonly usable: boolean
}

/** A provider that has not opened by then counts as not usable. */
const timeoutMilliseconds = 60_000

/**
 * Tries every execution provider that this build of ONNX Runtime has, or those that are named. The build names providers whose libraries are not on the
 * machine, so each is opened in a process of its own: one that fails prints to stderr, and one that crashes costs nothing.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where ONNX Runtime does not load, `BUILD_MISSING`
 */
export async function checkProviders(names?: readonly string[]): Promise<ProviderCheck[]> {
  const providers = names ?? (await loadRuntime()).providers
  return Promise.all(providers.map(async (name) => ({ name, usable: await opens(name) })))
}

/** Providers that this process has tried. */
const tried = new Map<string, Promise<boolean>>()

/**
 * Refuses a provider whose libraries or device are missing. The first question about one starts a process.
 *
 * @param cause why a session did not open, where that is known
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`, `BUILD_MISSING`
 */
export async function requireProvider(name: string, cause?: unknown): Promise<void> {
  if (name === 'cpu') return
  const usable = tried.get(name) ?? opens(name)
  tried.set(name, usable)
  if (await usable) return
  throw new VideoMaeError(
    `Expected ONNX Runtime to run on ${name}, but it cannot: the libraries or the device are missing.`,
    {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'Name another engine.device, or none to run on the CPU. `videomae doctor` lists the execution providers that run here.',
      cause,
    },
  )
}

function opens(provider: string): Promise<boolean> {
  const entry = fileURLToPath(compiledEntry(import.meta.url, './open-provider'))
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [entry, provider], {
      ...{ stdio: 'ignore', timeout: timeoutMilliseconds, env: withoutShaderCaches() },
    })
    child.on('error', () => resolve(false))
    child.on('close', (code) => resolve(code === 0))
  })
}
