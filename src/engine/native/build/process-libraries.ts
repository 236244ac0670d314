import { existsSync } from 'node:fs'
import { CacheDirectory } from '../../cache-directory.ts'
import type { Compiler } from './compiler.ts'
import type { Level } from './levels.ts'
import { type LibraryFile, obtainLibrary, tryCompiler } from './library-file.ts'

/** What decides which library it is. */
const variables = ['VIDEOMAE_NATIVE_LEVEL', 'VIDEOMAE_NATIVE_SANITIZE', 'VIDEOMAE_CC', 'CC', 'PATH']

/**
 * The libraries that one engine has obtained in this process: nothing is compiled twice at the same time, nor again where the
 * cache cannot be written. A compiler is tried once.
 */
export class ProcessLibraries {
  private readonly obtained = new Map<string, Promise<LibraryFile>>()
  private readonly tried = new Map<string, Promise<void>>()

  /** As `obtainLibrary`. */
  async obtain(report: (line: string) => void): Promise<LibraryFile> {
    const key = keyNow()
    const before = this.obtained.get(key)
    const again = (file: LibraryFile) => (existsSync(file.path) ? file : obtainLibrary(report))
    const obtained = before === undefined ? obtainLibrary(report) : before.then(again)
    this.obtained.set(key, obtained)
    try {
      return await obtained
    } catch (error) {
      if (this.obtained.get(key) === obtained) this.obtained.delete(key)
      throw error
    }
  }

  /** As `tryCompiler`. */
  try(level: Level, compiler: Compiler): Promise<void> {
    const key = `${keyNow()} ${compiler.fingerprint}`
    const tried = this.tried.get(key) ?? tryCompiler(level, compiler)
    this.tried.set(key, tried)
    return tried
  }

  /** The library that was obtained before, waiting for one that is being made; null where there is none, or it is gone. */
  async known(): Promise<LibraryFile | null> {
    const found = await this.obtained.get(keyNow())?.catch(() => null)
    return found && existsSync(found.path) ? found : null
  }
}

function keyNow(): string {
  const values = variables.map((name) => process.env[name] ?? '')
  return JSON.stringify([...values, CacheDirectory.of('native').directory])
}
