import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { VideoMaeError } from '../../core/errors.ts'
import type { KernelSource } from './device.ts'

export const kernelDirectory = new URL('./kernels/', import.meta.url)

/** One kernel file with everything it includes: what a compiler is given. */
export interface KernelFile {
  readonly name: string
  readonly text: string
  /** Name as in the `#include` -> text. */
  readonly headers: ReadonlyMap<string, string>
  /** SHA-256 over the text and the headers, hexadecimal. */
  readonly digest: string
}

/** Throws `KERNEL_UNKNOWN` where there is no such file. */
export function readKernelFile(name: string): KernelFile {
  const text = readText(`${name}.cu`)
  const headers = new Map<string, string>()
  collectHeaders(text, headers)
  const hash = createHash('sha256').update(text)
  for (const [header, content] of headers) hash.update(`\0${header}\0${content}`)
  return { name: `${name}.cu`, text, headers, digest: hash.digest('hex') }
}

function collectHeaders(text: string, headers: Map<string, string>): void {
  for (const [, header] of text.matchAll(/^#include "([^"]+)"/gm)) {
    if (headers.has(header)) continue
    const content = readText(header)
    headers.set(header, content)
    collectHeaders(content, headers)
  }
}

function readText(file: string): string {
  try {
    return readFileSync(new URL(file, kernelDirectory), 'utf8')
  } catch (cause) {
    throw new VideoMaeError(`The kernel file ${file} cannot be read.`, { code: 'KERNEL_UNKNOWN', cause })
  }
}

/** Names of the entry points in a kernel file. */
export function kernelEntries(file: KernelFile): string[] {
  const pattern = /extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(/g
  return [...file.text.matchAll(pattern)].map((match) => match[1])
}

/** `-D` options in an order that does not depend on how the definitions were written. */
export function defineOptions(defines: KernelSource['defines']): string[] {
  return Object.keys(defines)
    .sort()
    .map((name) => `-D${name}=${defines[name]}`)
}
