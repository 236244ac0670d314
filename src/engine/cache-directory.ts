import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { makeFolder } from '../core/make-folder.ts'

/**
 * What an engine keeps between runs, compiled kernels and measured algorithms: `$VIDEOMAE_CACHE/<engine>`, or
 * `$XDG_CACHE_HOME/videomae/<engine>`, or `~/.cache/videomae/<engine>`. A file is written under a temporary name and
 * renamed, so readers never see half of one; a cache that cannot be written is no error.
 */
export class CacheDirectory {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  static of(engine: string): CacheDirectory {
    const { VIDEOMAE_CACHE, XDG_CACHE_HOME } = process.env
    const base = VIDEOMAE_CACHE ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'videomae')
    return new CacheDirectory(path.join(base, engine))
  }

  read(name: string): Uint8Array | null {
    try {
      return readFileSync(path.join(this.directory, name))
    } catch {
      return null
    }
  }

  write(name: string, content: Uint8Array | string): void {
    const target = path.join(this.directory, name)
    const temporary = `${target}.${process.pid}.${process.hrtime.bigint()}`
    try {
      makeFolder(this.directory)
      writeFileSync(temporary, content)
      renameSync(temporary, target)
    } catch {
      rmSync(temporary, { force: true })
    }
  }
}
