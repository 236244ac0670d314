/** Work that several threads do side by side, taken from one queue. Results do not depend on the number of threads. */
import { availableParallelism } from 'node:os'
import { requireCount } from '../../core/counts.ts'
import type { PoolOptions } from './learners.ts'

/** Learners from..to-1. */
export type Range = readonly [from: number, to: number]

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function threadCount(options: PoolOptions): number {
  const threads = options.threads ?? Math.min(16, availableParallelism())
  requireCount('threads', threads)
  return threads
}

/** Cuts from..to into ranges of at most `size`. */
export function splitRange(from: number, to: number, size: number): Range[] {
  const ranges: Range[] = []
  for (let at = from; at < to; at += size) ranges.push([at, Math.min(to, at + size)])
  return ranges
}

/**
 * Works on all items, `threads` at a time. After an error no item is begun; the first error is thrown when those that were begun have
 * ended.
 *
 * @param worker makes what does one item after another, `close` ends it
 */
export async function inTurns<Item>(
  items: readonly Item[],
  { threads, signal }: { readonly threads: number; readonly signal?: AbortSignal },
  worker: () => { readonly work: (item: Item) => Promise<void>; readonly close?: () => Promise<unknown> },
): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: Math.min(threads, queue.length) }, async () => {
      const { work, close } = worker()
      try {
        for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
          signal?.throwIfAborted()
          await work(item)
        }
      } catch (error) {
        queue.length = 0 // the others stop after what they are doing
        throw error
      } finally {
        await close?.()
      }
    }),
  )
}
