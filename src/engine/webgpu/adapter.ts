import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../core/entry.ts'
import type { Availability } from '../engine.ts'
import { withoutShaderCaches } from '../onnx/shader-caches.ts'
import { noFloat16 } from './adapter-sum.ts'
import { type VulkanDevice, vulkanLibrary } from './vulkan-device.ts'

/** What `try-adapter` prints. */
type AdapterReport = { readonly device: VulkanDevice | null; readonly float16: boolean } | { readonly reason: string }

/** An adapter that has not computed anything by then counts as not usable. */
const timeoutMilliseconds = 60_000

/**
 * Whether ONNX Runtime computes on an adapter of WebGPU, and which. A process of its own tries it: a bad driver may end the process
 * that loads it. Never throws.
 */
export async function probeAdapter(): Promise<Availability> {
  if (!(await hasVulkan())) return unavailable('Vulkan is not installed')
  try {
    const report = await tryAdapter()
    if ('reason' in report) return unavailable(report.reason)
    const precisions = report.float16 ? 'float32 and float16' : 'float32, no float16 products'
    return { available: true, detail: `${describe(report.device)}; ${precisions}` }
  } catch (error) {
    return unavailable((error as Error).message.split('\n')[0])
  }
}

const tryAdapter = (): Promise<AdapterReport> =>
  askProcess(fileURLToPath(compiledEntry(import.meta.url, './try-adapter')))

/**
 * Refuses an adapter that has no float16 arithmetic. One that cannot be tried is not refused here: opening a session says why.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export async function requireFloat16(): Promise<void> {
  const report = await tryAdapter().catch((error: Error) => ({ reason: error.message }))
  if (!('reason' in report || report.float16)) throw noFloat16(describe(report.device))
}

function describe(device: VulkanDevice | null): string {
  if (device === null) return process.platform === 'darwin' ? 'the adapter of Metal' : 'the adapter of Direct3D 12'
  return device.software ? `${device.name}, a software adapter on the CPU: for tests only` : device.name
}

const needs: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'Install the driver of the GPU and libvulkan1. A container needs access to the GPU.',
}

function unavailable(reason: string): Availability {
  const hint = needs[process.platform] ?? 'Install the driver of the GPU.'
  return { available: false, detail: `no WebGPU adapter: ${reason.replace(/\.$/, '')}. ${hint}` }
}

/** Whether it is worth a process: on Linux, WebGPU is on top of Vulkan. Loading its library loads no driver. */
async function hasVulkan(): Promise<boolean> {
  if (process.platform !== 'linux') return true
  try {
    const { default: koffi } = await import('koffi')
    koffi.load(vulkanLibrary.linux ?? '')
    return true
  } catch {
    return false
  }
}

/** What the process of that file prints. Rejects where it ends in another way. */
export function askProcess(entry: string): Promise<AdapterReport> {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMilliseconds, env: withoutShaderCaches() }
    execFile(process.execPath, [entry], options, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as AdapterReport)
      else if (error.killed === true) reject(new Error(`it did not answer within ${timeoutMilliseconds / 1000} s`))
      else reject(new Error(`the process that tested it ended with ${error.signal ?? `code ${error.code}`}`))
    })
  })
}
