import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

/**
 * Compiled kernels and measured algorithms, kept between runs: `$VIDEOMAE_CACHE/cuda`, or `$XDG_CACHE_HOME/videomae/cuda`,
 * or `~/.cache/videomae/cuda`. A file is written under a temporary name and renamed, so readers never see half of one;
 * a cache that cannot be written is no error.
 */
export class CacheDirectory {
  readonly directory: string

  constructor(directory: string = defaultCacheDirectory()) {
    this.directory = directory
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
      mkdirSync(this.directory, { recursive: true })
      writeFileSync(temporary, content)
      renameSync(temporary, target)
    } catch {
      rmSync(temporary, { force: true })
    }
  }
}

function defaultCacheDirectory(): string {
  const { VIDEOMAE_CACHE, XDG_CACHE_HOME } = process.env
  const base = VIDEOMAE_CACHE ?? path.join(XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'videomae')
  return path.join(base, 'cuda')
}
