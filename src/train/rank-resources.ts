import { availableParallelism, cpus } from 'node:os'
import type { Ranks } from '../distributed/ranks.ts'
import type { RunConfiguration } from './configuration.ts'

/**
 * The configuration of one rank: threads and decoding processes that are left to the program are its part of the machine.
 */
export function rankResources<Configuration extends Pick<RunConfiguration, 'data' | 'engine'>>(
  configuration: Configuration,
  ranks: Ranks,
): Configuration {
  const part = rankPart(ranks)
  if (part === undefined) return configuration
  const { data, engine } = configuration
  return {
    ...configuration,
    data: { ...data, workers: data.workers ?? part },
    engine: { ...engine, threads: engine.threads ?? part },
  }
}

/** Cores of one rank; undefined for a run in one process. A launcher that binds a rank to some cores has divided the machine already. */
export function rankPart(ranks: Ranks): number | undefined {
  if (ranks.size === 1) return undefined
  const cores = availableParallelism()
  const bound = cores < cpus().length
  return bound ? cores : Math.max(1, Math.floor(cores / ranks.onThisHost))
}
