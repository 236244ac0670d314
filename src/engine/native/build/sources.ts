import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const kernelDirectory = fileURLToPath(new URL('../kernels/', import.meta.url))

export interface KernelSources {
  /** Files to compile, e.g. `pool.c`. */
  readonly files: readonly string[]
  /** SHA-256 over names and texts of these and of their headers, hexadecimal. */
  readonly digest: string
}

export function kernelSources(): KernelSources {
  const names = readdirSync(kernelDirectory)
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(`${name}\0${readFileSync(`${kernelDirectory}${name}`, 'utf8')}\0`)
  return { files: names.filter((name) => name.endsWith('.c')), digest: hash.digest('hex') }
}
