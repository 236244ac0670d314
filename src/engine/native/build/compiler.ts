import { execFile } from 'node:child_process'
import { realpathSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { invalidArgument, VideoMaeError } from '../../../core/errors.ts'
import { executables } from '../../../core/executables.ts'
import { type Level, levelOptions } from './levels.ts'
import { type CompilerFailure, runCompiler } from './run-compiler.ts'
import { kernelDirectory } from './sources.ts'

const execute = promisify(execFile)

export interface Compiler {
  readonly command: string
  /** Arguments before all others, e.g. `gcc` of `ccache gcc`. */
  readonly before: readonly string[]
  /** What changes when another compiler is installed: path, size and time of the program, and the arguments. For cache keys. */
  readonly fingerprint: string
}

/**
 * `VIDEOMAE_CC`, `CC`, `cc`, `gcc`, `clang`: the first one that there is. The variables may have arguments behind the program.
 * Looks at files only: nothing is started.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a VIDEOMAE_CC that is not here
 */
export function findCompiler(): Compiler | null {
  const { VIDEOMAE_CC = '', CC = '' } = process.env
  if (VIDEOMAE_CC !== '') {
    const found = findWithArguments(VIDEOMAE_CC)
    if (found !== null) return found
    throw invalidArgument('VIDEOMAE_CC', 'a C compiler, by its path or by its name on PATH,', VIDEOMAE_CC)
  }
  for (const find of [() => findWithArguments(CC), ...['cc', 'gcc', 'clang'].map((name) => () => findCommand(name))]) {
    const found = find()
    if (found !== null) return found
  }
  return null
}

/** A program whose path may have spaces, or one with arguments behind it. */
function findWithArguments(text: string): Compiler | null {
  const [command = '', ...before] = text.trim().split(/\s+/)
  return findCommand(text) ?? findCommand(command, before)
}

/** A compiler by its path, or by its name on PATH; null where there is none. */
export function findCommand(command: string, before: readonly string[] = []): Compiler | null {
  const [file] = executables(command)
  if (file === undefined) return null
  try {
    const real = realpathSync(file)
    const { size, mtimeMs } = statSync(real)
    return { command: file, before, fingerprint: [real, size, mtimeMs, ...before].join(' ') }
  } catch {
    return null // removed meanwhile
  }
}

/** What a compiler says of itself, e.g. `cc (Debian 12.2.0-14) 12.2.0`; its path where it says nothing. */
export async function compilerVersion({ command, before }: Compiler, signal?: AbortSignal): Promise<string> {
  try {
    const { stdout } = await execute(command, [...before, '--version'], {
      timeout: 10_000,
      killSignal: 'SIGKILL',
      signal,
    })
    return stdout.split('\n')[0].trim() || command
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

export interface CompilationLimits {
  /** Milliseconds that one file may take. */
  readonly milliseconds?: number
  /** Stops the compilation, which then rejects with the reason. */
  readonly signal?: AbortSignal
}

/** What is the cause of `KERNEL_COMPILATION_FAILED`. */
export class CompilationFailure extends Error {
  /** The line in which the compiler refused the sources, which it would do again. Null: it may succeed the next time. */
  readonly refusal: string | null

  constructor(reason: string, refusal: string | null) {
    super(reason)
    this.refusal = refusal
  }
}

/**
 * Compiles the files of the kernel folder, several at a time, to a shared library.
 *
 * @param folder an empty folder for what comes in between; it holds the library in the end
 * @returns the path of the library
 * @throws VideoMaeError `KERNEL_COMPILATION_FAILED` with what the compiler said and a `CompilationFailure` as cause. Nothing of
 *   the compiler runs any more then.
 */
export async function compileLibrary(
  compiler: Compiler,
  files: readonly string[],
  options: readonly string[],
  folder: string,
  { milliseconds = 900_000, signal }: CompilationLimits = {},
): Promise<string> {
  const first = new AbortController()
  const stop = signal === undefined ? first.signal : AbortSignal.any([first.signal, signal])
  const run = async (list: readonly string[]): Promise<void> => {
    const all = [...compiler.before, ...list]
    const failure = await runCompiler(compiler.command, all, { milliseconds, signal: stop, folder })
    if (failure !== null) throw failed([compiler.command, ...all].join(' '), compiler, failure)
  }
  const object = (file: string): string => path.join(folder, `${file}.o`)
  const waiting = [...files]
  const compileSome = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      await run([...options, '-c', path.join(kernelDirectory, file), '-o', object(file)]).catch((error) => {
        first.abort(error) // ends the others, which reject with the same error
        throw error
      })
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: availableParallelism() }, compileSome))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  const library = path.join(folder, 'library.so')
  const sanitizers = options.filter((option) => option.startsWith('-fsanitize'))
  await run(['-shared', ...sanitizers, '-o', library, ...files.map(object), '-lm', '-lpthread'])
  return library
}

/** What may be otherwise the next time: memory, space, a header that can be installed, a folder that was removed. */
const passing = /killed|memory|no space|quota|temporarily|no such file|input\/output/i

function failed(commandLine: string, { command }: Compiler, failure: CompilerFailure): VideoMaeError {
  const { ending, byItself, output } = failure
  const lines = output.split('\n')
  const error = lines.find((line) => /error/i.test(line))?.trim() ?? null
  const reason = error === null ? ending : `${error} (${ending})`
  const refusal = byItself && !lines.some((line) => passing.test(line)) ? error : null
  const said = output === '' ? 'It printed nothing.' : output
  return new VideoMaeError(
    `${command} could not compile the kernels of the native engine: ${reason}\nThe command was: ${commandLine}\n${said}`,
    {
      code: 'KERNEL_COMPILATION_FAILED',
      exit: 'environment',
      hint: /no space|quota/i.test(output)
        ? 'Free some space, or set VIDEOMAE_CACHE to a folder on another disk.'
        : 'Set VIDEOMAE_CC to another C compiler (gcc 12 or clang 19 and later), or use `--engine onnx`.',
      cause: new CompilationFailure(reason, refusal),
    },
  )
}
