import { execFile } from 'node:child_process'
import { realpathSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { VideoMaeError } from '../../../core/errors.ts'
import { executables } from '../../../core/executables.ts'
import { type Level, levelOptions } from './levels.ts'
import { kernelDirectory } from './sources.ts'

const execute = promisify(execFile)

export interface Compiler {
  readonly command: string
  /** What changes when another compiler is installed: path, size and time of the program. For cache keys. */
  readonly fingerprint: string
}

/** `VIDEOMAE_CC`, `CC`, `cc`, `gcc`, `clang`: the first one that there is. Looks at files only: nothing is started. */
export function findCompiler(): Compiler | null {
  const { VIDEOMAE_CC, CC } = process.env
  for (const command of [VIDEOMAE_CC, CC, 'cc', 'gcc', 'clang']) {
    const found = command === undefined || command === '' ? null : findCommand(command)
    if (found !== null) return found
  }
  return null
}

/** A compiler by its path, or by its name on PATH; null where there is none. */
export function findCommand(command: string): Compiler | null {
  const [file] = executables(command)
  if (file === undefined) return null
  try {
    const real = realpathSync(file)
    const { size, mtimeMs } = statSync(real)
    return { command: file, fingerprint: `${real} ${size} ${mtimeMs}` }
  } catch {
    return null // removed meanwhile
  }
}

/** What a compiler says of itself, e.g. `cc (Debian 12.2.0-14) 12.2.0`; its path where it says nothing. */
export async function compilerVersion({ command }: Compiler): Promise<string> {
  try {
    const { stdout } = await execute(command, ['--version'], { timeout: 60_000 })
    return stdout.split('\n')[0].trim()
  } catch {
    return command
  }
}

/** Options of every file. No `-ffast-math`: sums keep their order, and NaN stays NaN. */
const commonOptions = [
  '-O3',
  '-std=gnu11',
  '-fPIC',
  '-fvisibility=hidden',
  '-ffp-contract=fast',
  '-fno-math-errno',
  '-fno-trapping-math',
]
/**
 * Checks of accesses are calls. Written out in place, as is usual, they make functions so large that gcc allocates registers for
 * minutes. Compiled in a fifth of the time, run in twice the time; the same accesses are checked.
 */
const sanitizeOptions = [
  ...['-O1', '-fsanitize=address', '-fno-omit-frame-pointer', '-g1'],
  ...['--param', 'asan-instrumentation-with-call-threshold=0'],
]

/** What a library is compiled with, the kind of processor included. */
export function compilerOptions(level: Level, sanitize: boolean): readonly string[] {
  return [...commonOptions, ...levelOptions[level], ...(sanitize ? sanitizeOptions : [])]
}

/**
 * Compiles the files of the kernel folder, several at a time, to a shared library.
 *
 * @param folder an empty folder for what comes in between; it holds the library in the end
 * @returns the path of the library
 * @throws VideoMaeError `KERNEL_COMPILATION_FAILED` with what the compiler said
 */
export async function compileLibrary(
  { command }: Compiler,
  files: readonly string[],
  options: readonly string[],
  folder: string,
): Promise<string> {
  // A library that is preloaded into this process, a memory checker say, is not for the compiler.
  const { LD_PRELOAD: _, ...env } = process.env
  const run = async (list: readonly string[]): Promise<void> => {
    try {
      await execute(command, [...list], { timeout: 900_000, maxBuffer: 2 ** 24, env })
    } catch (cause) {
      const { stderr, message } = cause as Error & { readonly stderr?: string }
      throw new VideoMaeError(`${command} could not compile the kernels of the native engine:\n${stderr || message}`, {
        code: 'KERNEL_COMPILATION_FAILED',
        exit: 'environment',
        hint: 'Set VIDEOMAE_CC to another C compiler (gcc 12 or clang 19 and later), or use `--engine onnx`.',
        cause,
      })
    }
  }
  const object = (file: string): string => path.join(folder, `${file}.o`)
  const waiting = [...files]
  const compileSome = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      await run([...options, '-c', path.join(kernelDirectory, file), '-o', object(file)])
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, compileSome))
  const library = path.join(folder, 'library.so')
  const sanitizers = options.filter((option) => option.startsWith('-fsanitize'))
  await run(['-shared', ...sanitizers, '-o', library, ...files.map(object), '-lm', '-lpthread'])
  return library
}
