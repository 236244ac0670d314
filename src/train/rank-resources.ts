import { availableParallelism, cpus } from 'node:os'
import type { Ranks } from '../distributed/ranks.ts'
import type { RunConfiguration } from './configuration.ts'

/**
 * The configuration of one rank: threads and decoding processes that are left to the program are its part of the machine.
 *
 * A launcher that binds a rank to some cores has divided the machine already.
 */
export function rankResources<Configuration extends Pick<RunConfiguration, 'data' | 'engine'>>(
  configuration: Configuration,
  ranks: Ranks,
): Configuration {
  if (ranks.size === 1) return configuration
  const cores = availableParallelism()
  const bound = cores < cpus().length
  const part = bound ? cores : Math.max(1, Math.floor(cores / ranks.onThisHost))
  const { data, engine } = configuration
  return {
    ...configuration,
    data: { ...data, workers: data.workers ?? part },
    engine: { ...engine, threads: engine.threads ?? part },
  }
}
