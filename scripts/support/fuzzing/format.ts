/** What a format is for the fuzzer, and changes that most of them share. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../../../src/index.ts'
import type { RandomStream } from '../../../src/model.ts'
import { type Json, mutateBytes, mutateJson, mutateText, pick } from './mutations.ts'

export interface Format {
  readonly name: string
  /** Writes whole samples below `folder`. */
  prepare(folder: string): Promise<void>
  /** Writes one changed file over a sample. */
  change(folder: string, random: RandomStream): void | Promise<void>
  read(folder: string): Promise<unknown>
}

const jsonBytes = (value: Json): Uint8Array => Buffer.from(JSON.stringify(value))

/** One file, changed by `mutate` from what it was at first. */
export function single(
  name: string,
  file: string,
  make: (location: string) => Promise<void> | void,
  mutate: (random: RandomStream, whole: Uint8Array) => Uint8Array,
  read: (location: string) => Promise<unknown> | unknown,
): Format {
  let whole = new Uint8Array()
  return {
    name,
    async prepare(folder) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      await make(path.join(folder, file))
      whole = new Uint8Array(readFileSync(path.join(folder, file)))
    },
    change: (folder, random) => writeFileSync(path.join(folder, file), mutate(random, whole)),
    read: async (folder) => read(path.join(folder, file)),
  }
}

type Mutate = (random: RandomStream, whole: Uint8Array) => Uint8Array

/** A folder of which one file changes at a time. */
export function folderOf(
  name: string,
  mutations: Readonly<Record<string, Mutate>>,
  make: (folder: string) => Promise<void>,
  read: (folder: string) => Promise<unknown>,
): Format {
  const whole = new Map<string, Uint8Array>()
  return {
    name,
    async prepare(folder) {
      await make(folder)
      for (const file of Object.keys(mutations)) whole.set(file, new Uint8Array(readFileSync(path.join(folder, file))))
    },
    change(folder, random) {
      const changed = pick(random, [...whole.keys()])
      for (const [file, bytes] of whole)
        writeFileSync(path.join(folder, file), file === changed ? mutations[file](random, bytes) : bytes)
    },
    read,
  }
}

/** For readers that make anew what is not whole, or take it for something else, without an error. */
export const noticed = (what: string): VideoMaeError =>
  new VideoMaeError(`Noticed: ${what}.`, { code: 'NOTICED', exit: 'data' })

export const mutateDocument = (random: RandomStream, whole: Uint8Array): Uint8Array =>
  random.integer(5) === 0
    ? mutateText(random, Buffer.from(whole).toString())
    : jsonBytes(mutateJson(random, JSON.parse(Buffer.from(whole).toString()) as Json))

export const mutateTextBytes = (random: RandomStream, whole: Uint8Array): Uint8Array =>
  mutateText(random, Buffer.from(whole).toString())

/** The header as JSON and the length before it change together, or the bytes alone. */
export function mutateSafetensors(random: RandomStream, whole: Uint8Array): Uint8Array {
  const bytes = Buffer.from(whole)
  const length = Number(bytes.readBigUInt64LE(0))
  if (random.integer(3) === 0) return mutateBytes(random, whole, 8 + length)
  const header = jsonBytes(mutateJson(random, JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Json))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([prefix, header, bytes.subarray(8 + length)])
}

/** Lines of JSON: one value of one line changes, or the text. */
export function mutateLines(random: RandomStream, whole: Uint8Array): Uint8Array {
  if (random.integer(3) === 0) return mutateTextBytes(random, whole)
  const lines = Buffer.from(whole).toString().trimEnd().split('\n')
  const at = random.integer(lines.length)
  lines[at] = JSON.stringify(mutateJson(random, JSON.parse(lines[at]) as Json))
  return Buffer.from(`${lines.join('\n')}\n`)
}
