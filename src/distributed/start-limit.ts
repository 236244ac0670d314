/** Says that a rank waits for others to start, and ends it at the time limit: its thread waits in the library, and nothing else ends that. */
import { writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { VideoMaeError } from '../core/errors.ts'
import { endProcess } from './end-process.ts'

export interface StartingRank {
  /** Null where the launcher does not say. */
  readonly rank: number | null
  /** Of all ranks; null where the launcher does not say. */
  readonly size: number | null
  /** How long to wait for the other ranks. */
  readonly timeoutSeconds: number
}

/**
 * A library does not tell which ranks are missing. So each rank says in the middle of the time that it is there: launchers pass on what the
 * ranks of all machines write, and those that say nothing are the missing ones.
 *
 * @returns ends the wait
 */
export function limitStart({ rank, size, timeoutSeconds }: StartingRank): () => void {
  const [number, count] = [rank === null ? '' : ` ${rank}`, size === null ? '' : ` of ${size}`]
  const name = `rank${number}${count} on ${hostname()}`
  const notice = setTimeout(
    () => {
      writeSync(2, `videomae: ${name} has started and waits for the others\n`)
    },
    Math.min(longestSilence, timeoutSeconds / 2) * 1000,
  )
  const end = setTimeout(() => {
    endProcess(
      new VideoMaeError(
        `Expected all ${size === null ? '' : `${size} `}ranks to start within ${timeoutSeconds} s, but ${name} still waits for others. The ranks that printed no such line above are missing.`,
        {
          code: 'RANKS_MISSING',
          exit: 'environment',
          hint: 'Check that every machine starts the command; VIDEOMAE_MPI_TIMEOUT sets another limit, in seconds.',
        },
      ),
    )
  }, timeoutSeconds * 1000)
  return () => {
    clearTimeout(notice)
    clearTimeout(end)
  }
}

/** Seconds. */
const longestSilence = 30
