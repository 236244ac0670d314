/** How tests open the native engine: in their own thread, at a level of the processor, or not at all with a reason. */
import { type Level, processorLevels } from '../../src/engine/native/build/levels.ts'
import { findLibrary, obtainLibrary } from '../../src/engine/native/build/library-file.ts'
import { NativeLibrary } from '../../src/engine/native/library.ts'
import { NativeSession, type NativeSessionOptions } from '../../src/engine/native/session.ts'
import type { Program } from '../../src/graph/program.ts'

/** Why the engine cannot run here, or null. */
export function nativeMissing(): string | null {
  const state = findLibrary()
  return state.kind === 'missing' ? state.why : null
}

/** Levels to test: all that the processor has. */
export const testedLevels: readonly Level[] = nativeMissing() === null ? processorLevels() : ['avx2']

const libraries = new Map<Level, Promise<NativeLibrary>>()

/** The library of a level, compiled where it has to be. */
export function libraryOf(level: Level): Promise<NativeLibrary> {
  const known = libraries.get(level)
  if (known !== undefined) return known
  const opened = obtainLibrary(() => undefined, level).then(({ path }) => new NativeLibrary(path))
  libraries.set(level, opened)
  return opened
}

export async function openNative(
  programs: readonly Program[],
  level: Level,
  options: Partial<NativeSessionOptions> = {},
): Promise<NativeSession> {
  return new NativeSession(await libraryOf(level), programs, { threads: 2, precision: 'float32', ...options })
}

/** What compiling takes on a busy machine, and running on a slow level. */
export const nativeTimeouts = { testTimeout: 600_000, hookTimeout: 600_000 }
