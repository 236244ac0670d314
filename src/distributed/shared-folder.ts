import { randomUUID } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import type { Ranks } from './ranks.ts'

/**
 * Refuses a folder that is not the same on all ranks, before work that they put together in it. Collective.
 *
 * @throws VideoMaeError `FOLDER_NOT_SHARED`, on all ranks
 */
export async function requireSharedFolder(ranks: Ranks, folder: string): Promise<void> {
  if (ranks.size === 1) return
  const name = await ranks.fromFirst(`.ranks-${randomUUID()}`)
  const file = path.join(folder, name)
  await ranks.agree(() => {
    if (ranks.rank > 0) return
    makeFolder(folder)
    writeFileSync(file, '')
  })
  try {
    const missing = (await ranks.numbers(existsSync(file) ? 0 : 1)).indexOf(1)
    if (missing >= 0) throw ranks.commonly(notShared(folder, ranks.name(missing)))
  } finally {
    if (ranks.rank === 0) rmSync(file, { force: true })
  }
}

function notShared(folder: string, rank: string): VideoMaeError {
  return new VideoMaeError(
    `Expected ${folder} to be one folder for all ranks, but ${rank} does not see what rank 0 writes there.`,
    {
      code: 'FOLDER_NOT_SHARED',
      exit: 'environment',
      hint: 'Name a folder that all machines share, and start the ranks in the same working folder.',
    },
  )
}
