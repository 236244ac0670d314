import { isMainThread } from 'node:worker_threads'
import { VideoMaeError } from '../../core/errors.ts'

/** What ONNX Runtime reads from the environment of the process before it sends or stores anything. */
const setting = { ORT_DISABLE_TELEMETRY: '1' } as const

/**
 * Turns the telemetry of ONNX Runtime off for this process and its children. Call it before the library is loaded: from
 * version 1.30 on it otherwise stores a device id and a database in the user's cache folder, a log in the temporary
 * folder, and uploads events.
 *
 * `process.env` of a worker thread is a copy that native code does not see, so there the variable is set through the C
 * library. Calling it again does no harm.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where the variable cannot be set
 */
export async function disableTelemetry(): Promise<void> {
  Object.assign(process.env, setting)
  if (isMainThread) return
  try {
    const { default: koffi } = await import('koffi')
    setVariable(koffi)
  } catch (cause) {
    throw new VideoMaeError(
      `Expected to turn the telemetry of ONNX Runtime off in a worker thread: ${cause instanceof Error ? cause.message : cause}`,
      {
        code: 'ENGINE_UNAVAILABLE',
        exit: 'environment',
        hint: `Set ORT_DISABLE_TELEMETRY=1 in the environment of the process, then import videomae in the main thread.`,
        cause,
      },
    )
  }
}

/** @throws Error where the C library has no such function or refuses */
function setVariable(koffi: typeof import('koffi').default): void {
  const windows = process.platform === 'win32'
  const library = koffi.load({ win32: 'ucrtbase.dll', darwin: 'libSystem.B.dylib' }[process.platform as string] ?? null)
  const set = windows
    ? library.func('int _putenv_s(const char *name, const char *value)')
    : library.func('int setenv(const char *name, const char *value, int overwrite)')
  for (const [name, value] of Object.entries(setting)) {
    const status: number = windows ? set(name, value) : set(name, value, 1)
    if (status !== 0) throw new Error(`setting ${name} returned ${status}`)
  }
}
