import { createRequire } from 'node:module'
import type * as tf from '@tensorflow/tfjs-core'
import { VideoMaeError } from '../../core/errors.ts'

/** What we use of TensorFlow.js. It is loaded only when the engine is asked for. */
export type Tfjs = typeof tf
export type { Tensor } from '@tensorflow/tfjs-core'

/** A backend of TensorFlow.js, and the packages that bring it. */
interface Backend {
  /** Name under which TensorFlow.js registers it. */
  readonly name: string
  /** Any of these packages brings the backend; the first that is installed is used. */
  readonly packages: readonly string[]
  /** Whether the package holds TensorFlow.js itself; the others register themselves with `@tensorflow/tfjs-core`. */
  readonly complete: boolean
}

/** In the order of preference. */
const backends: readonly Backend[] = [
  { name: 'tensorflow', packages: ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'], complete: true },
  { name: 'webgpu', packages: ['@tensorflow/tfjs-backend-webgpu'], complete: false },
  { name: 'wasm', packages: ['@tensorflow/tfjs-backend-wasm'], complete: false },
  { name: 'cpu', packages: ['@tensorflow/tfjs-backend-cpu'], complete: false },
]

/** Names of the backends that `engine.device` may have, the preferred one first. */
export const backendNames: readonly string[] = backends.map(({ name }) => name)

const core = '@tensorflow/tfjs-core'

/** How packages are found and loaded: as Node does it, or by a test. */
export interface Packages {
  /** Version of an installed package, or null. */
  versionOf(name: string): string | null
  load(name: string): Promise<unknown>
}

/** Packages next to this one, where npm puts optional peers. */
export const installedPackages: Packages = {
  versionOf(name) {
    try {
      const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { readonly version: string }
      return version
    } catch {
      return null
    }
  },
  load: (name) => import(name),
}

/** A backend with the package that brings it here. */
export interface InstalledBackend {
  readonly name: string
  readonly package: string
  readonly version: string
  readonly complete: boolean
}

/** The backends whose packages are installed, the preferred one first. */
export function installedBackends(packages: Packages = installedPackages): InstalledBackend[] {
  return backends.flatMap(({ name, packages: candidates, complete }) => {
    if (!complete && packages.versionOf(core) === null) return []
    for (const candidate of candidates) {
      const version = packages.versionOf(candidate)
      if (version !== null) return [{ name, package: candidate, version, complete }]
    }
    return []
  })
}

/** TensorFlow.js with one of its backends. */
export interface TfjsRuntime {
  readonly tf: Tfjs
  readonly backend: string
  readonly version: string
}

/**
 * The installed backend of a name; default: the best that is installed.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export function requireBackend(device: string | undefined, packages = installedPackages): InstalledBackend {
  const installed = installedBackends(packages)
  const chosen = device === undefined ? installed[0] : installed.find(({ name }) => name === device)
  if (chosen === undefined) throw notInstalled(device, installed)
  return chosen
}

/**
 * Loads TensorFlow.js with a backend, and adds two numbers on it.
 *
 * @param device name of a backend; default: the best that is installed
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export async function loadTfjs(device: string | undefined, packages = installedPackages): Promise<TfjsRuntime> {
  const chosen = requireBackend(device, packages)
  try {
    const own = moduleOf(await packages.load(chosen.package))
    const tf = (chosen.complete ? own : moduleOf(await packages.load(core))) as Tfjs
    // Without this the backend cpu prints an advertisement of others.
    tf.enableProdMode()
    if (!(await tf.setBackend(chosen.name))) throw new Error(`the backend ${chosen.name} did not start`)
    await tf.ready()
    const sum = tf.tidy(() => tf.add(tf.tensor1d([1]), tf.tensor1d([2])))
    const [value] = await sum.data()
    sum.dispose()
    if (value !== 3) throw new Error(`the backend ${chosen.name} computed 1 + 2 = ${value}`)
    return { tf, backend: chosen.name, version: tf.version_core }
  } catch (cause) {
    throw broken(chosen, installedBackends(packages), cause)
  }
}

/** CommonJS modules have all of their names in `default` only. */
function moduleOf(loaded: unknown): unknown {
  const { default: whole } = loaded as { readonly default?: unknown }
  return typeof whole === 'object' && whole !== null ? whole : loaded
}

function notInstalled(device: string | undefined, installed: readonly InstalledBackend[]): VideoMaeError {
  const known = backends.find(({ name }) => name === device)
  const here = installed.map(({ name }) => name).join(', ') || 'none'
  const message =
    device === undefined
      ? 'Expected a backend of TensorFlow.js, but none is installed.'
      : known === undefined
        ? `Expected one of the backends ${backendNames.join(', ')} as device, but received ${device}.`
        : `Expected the backend ${device} of TensorFlow.js, but its package is not installed; installed backends: ${here}.`
  const wanted = known ?? backends[2]
  const install = [...(wanted.complete ? [] : [core]), wanted.packages[wanted.packages.length - 1]].join(' ')
  return new VideoMaeError(message, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: `Run \`npm install ${install}\` next to videomae.`,
  })
}

function broken(chosen: InstalledBackend, installed: readonly InstalledBackend[], cause: unknown): VideoMaeError {
  const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
  const node = process.versions.node
  const others = installed.filter(({ name }) => name !== chosen.name).map(({ name }) => name)
  // tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 removed.
  const removed = chosen.complete && /isNullOrUndefined|util_\d/.test(reason)
  const advice = removed
    ? `${chosen.package} ${chosen.version} does not run on Node ${node}; use Node 20 or 22`
    : `Reinstall ${chosen.package}`
  const other = others.length === 0 ? '' : `, or set engine.device to ${others.join(' or ')}`
  return new VideoMaeError(`Expected ${chosen.package} ${chosen.version} to run on Node ${node}: ${reason}.`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: `${advice}${other}.`,
    cause,
  })
}
