import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { libraryFunctions, NativeLibrary } from '../library.ts'

/** Sanitized code ends a process that was not started for it. */
export const sanitizes = (): boolean => process.env.VIDEOMAE_NATIVE_SANITIZE === '1'

/**
 * Whether this system can load a library that is whole, and it has the functions of the engine: one that was made for another C
 * library, in a cache that several systems share, say, must not keep the engine from compiling what it needs.
 */
export function loads(file: string): boolean {
  return whyNotHere(file) === null
}

function whyNotHere(file: string): string | null {
  if (sanitizes()) return null
  try {
    new NativeLibrary(file)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** Milliseconds for a process that loads a library. */
const limit = 60_000

/** Arguments: the path of koffi, the library, names of functions. */
const script = `
const [koffi, file, ...names] = process.argv.slice(1)
try {
  const library = require(koffi).load(file)
  for (const name of names) library.func(name, 'void', [])
} catch (error) {
  process.stdout.write(error.message)
  process.exitCode = 1
}`

/**
 * Loads a library that was just made in a process of its own: one that is damaged may end the process.
 *
 * @param names of functions that it must have
 * @returns what keeps it from being used here, or null
 */
export async function whyNotLoaded(file: string, names: readonly string[] = libraryFunctions): Promise<string | null> {
  if (sanitizes()) return null
  const koffi = createRequire(import.meta.url).resolve('koffi')
  const child = spawn(process.execPath, ['-e', script, koffi, file, ...names], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: limit,
    killSignal: 'SIGKILL',
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const here = (): string | null => (names === libraryFunctions ? whyNotHere(file) : null)
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    if (status === 0) return null
    if (signal !== null) return `${signal} while it was loaded`
    // The script says why. Where nothing is said, another program than Node.js was started: under an emulator, the emulator.
    return said.trim() || here()
  } catch {
    // No other process can be started.
    return here()
  }
}
