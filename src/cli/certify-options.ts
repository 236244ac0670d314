/** What `certify`, `audit` and `lethal-dose` have in common: reading videos, heads and lists of options. */
import path from 'node:path'
import type { HeadOptions } from '../certify/heads/head.ts'
import type { BucketKey, EncoderTrust, Rule } from '../certify/index.ts'
import type { CertifyVideosOptions } from '../certify-videos/index.ts'
import { invalidArgument } from '../core/errors.ts'
import type { CommonOptions } from './run.ts'

export interface VideoCommandOptions extends CommonOptions {
  readonly test?: string
  readonly testShare?: number
  readonly classes?: string
  readonly by?: BucketKey
  readonly trusted?: string
  readonly trainedOn?: string
  readonly trust?: EncoderTrust
  readonly labelsUsed?: boolean
  readonly clips?: number
  readonly stride?: number
  readonly head?: HeadOptions['kind']
  readonly lambda?: number
  readonly spread?: number
  readonly out: string
  readonly cache?: string
  readonly engine?: string
  readonly threads?: number
  readonly workers?: number
  readonly decoder?: 'node-av' | 'ffmpeg'
  readonly seed?: number
  readonly quiet?: boolean
}

/** @param what the progress is of, e.g. `features` */
export function progressOf(quiet: boolean, what: string): (done: number, total: number) => void {
  return (done, total) => {
    if (quiet || !process.stderr.isTTY) return
    process.stderr.write(done === total ? '\r\u001b[2K' : `\r${what} ${done}/${total}`)
  }
}

export function videoOptions(
  data: string,
  from: string,
  options: VideoCommandOptions,
  signal: AbortSignal,
): CertifyVideosOptions {
  const { out, cache, engine, quiet = false, classes, json: _, by: __, ...rest } = options
  return {
    ...rest,
    data,
    from,
    cache: cache ?? path.join(out, 'store'),
    engine: engine ?? null,
    ...(classes === undefined ? {} : { classes: listOf(classes) }),
    signal,
    onProgress: progressOf(quiet, 'features'),
    onNote: (note) => {
      if (!quiet) process.stderr.write(`${note}\n`)
    },
  }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for --lambda with another head */
export function headOf({ head = 'ridge', lambda }: Pick<VideoCommandOptions, 'head' | 'lambda'>): HeadOptions {
  if (lambda === undefined) return { kind: head }
  if (head !== 'ridge') throw invalidArgument('--lambda', 'ridge heads', head)
  return { kind: head, lambda }
}

export function rulesOf(text: string): Rule[] {
  return listOf(text) as Rule[] // `certify` checks the names
}

export function numbersOf(name: string, text: string, least = 1): number[] {
  const numbers = listOf(text).map(Number)
  const wrong = numbers.find((value) => !Number.isInteger(value) || value < least)
  if (wrong === undefined && numbers.length > 0) return numbers
  throw invalidArgument(name, `whole numbers from ${least} such as 50,100,200`, text)
}

export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
