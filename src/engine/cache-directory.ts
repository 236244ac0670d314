import { createHash } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { makeFolder } from '../core/make-folder.ts'

const digestBytes = 32

const digestOf = (content: Uint8Array): Buffer => createHash('sha256').update(content).digest()

/**
 * What an engine keeps between runs, compiled kernels and measured algorithms: `$VIDEOMAE_CACHE/<engine>`, or
 * `$XDG_CACHE_HOME/videomae/<engine>`, or `~/.cache/videomae/<engine>`. A file is written under a temporary name and
 * renamed, so readers never see half of one, and ends with a digest, so that one which was damaged later counts as missing. A
 * cache that cannot be written is no error.
 */
export class CacheDirectory {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  static of(engine: string): CacheDirectory {
    const { VIDEOMAE_CACHE, XDG_CACHE_HOME } = process.env
    // An empty variable is one that is not set.
    const base = VIDEOMAE_CACHE || path.join(XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'videomae')
    return new CacheDirectory(path.resolve(base, engine))
  }

  /** Null where there is none, or none that is whole. */
  read(name: string): Uint8Array | null {
    try {
      const file = readFileSync(path.join(this.directory, name))
      const [content, digest] = [file.subarray(0, -digestBytes), file.subarray(-digestBytes)]
      return digest.equals(digestOf(content)) ? content : null
    } catch {
      return null
    }
  }

  write(name: string, content: Uint8Array | string): void {
    const target = path.join(this.directory, name)
    const temporary = `${target}.${process.pid}.${process.hrtime.bigint()}`
    try {
      makeFolder(this.directory)
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      writeFileSync(temporary, Buffer.concat([bytes, digestOf(bytes)]))
      renameSync(temporary, target)
    } catch {
      rmSync(temporary, { force: true })
    }
  }
}
