/** Whether weights fit on the disk, before any of them is downloaded. */
import { statfs } from 'node:fs/promises'
import { VideoMaeError } from '../core/errors.ts'

/** Bytes that this user may still write into a folder; null where the file system does not say. */
export type FreeBytes = (folder: string) => Promise<number | null>

export const freeBytes: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder)
  // Some network file systems say 0 blocks of everything.
  return bsize === 0 || bavail === 0 ? null : bavail * bsize
}

/**
 * @param bytes that are still to come
 * @param free what the folder has room for; null: not known
 * @throws VideoMaeError `DISK_TOO_SMALL`
 */
export function requireRoom(folder: string, bytes: number, free: number | null): void {
  if (free === null || bytes <= free) return
  throw new VideoMaeError(
    `Expected ${shown(bytes)} of free space for the weights in ${folder}, but only ${shown(free)} are free.`,
    {
      code: 'DISK_TOO_SMALL',
      exit: 'environment',
      hint: 'Free some space, or choose a folder on another disk (HF_HOME for hf:OWNER/NAME). What was downloaded earlier is kept.',
    },
  )
}

const shown = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
