/**
 * Who writes into the folder of a run. One process at a time: two would mix their metrics, and each would take the other's
 * half-written checkpoint for a damaged one.
 *
 * A lock is the file `run-N.lock` with the highest N. It is made under another name and then linked, so that it is there with its
 * whole content or not at all, and so that of two processes that make the same N exactly one succeeds. Whoever finds the lock of
 * a process that has ended makes the next N: nothing is removed before the new lock is held, so that no lock is ever taken away
 * from a process that runs.
 */
import { randomBytes } from 'node:crypto'
import { link, open, readdir, rm, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { requirePath, VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { jsonOrNull } from '../format/json.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import { type ProcessState, stateOf, thisProcess } from './process-identity.ts'

const pattern = /^run-(\d+)\.lock$/

/** Whether a file of that name is the lock of the folder that it is in. */
export const isLockFile = (name: string): boolean => pattern.test(name)

const contentSchema = z.object({
  host: z.string(),
  boot: z.string().nullable(),
  pid: z.int(),
  started: z.string().nullable(),
  /** When the lock was taken, ISO 8601. */
  since: z.string(),
})

type LockContent = z.output<typeof contentSchema>

interface FoundLock {
  readonly number: number
  readonly file: string
  /** Null where the file is not whole. */
  readonly content: LockContent | null
  /** Keys of the file that this version does not know. */
  readonly unknown: readonly string[]
  readonly state: ProcessState
}

/** Milliseconds after which a lock file that is not whole counts as left behind. */
const unfinishedAfter = 10_000

/** A folder that this process writes into until `release`. */
export interface RunLock {
  /** Gives the folder back, and removes it where it was made for the run and nothing is in it. Doing it again is no error. */
  release(): Promise<void>
}

/**
 * Takes the lock of a folder, which is made where it is missing. The lock of a process that has ended is taken over.
 *
 * @param onNote told of a lock that is taken over
 * @throws VideoMaeError `RUN_LOCKED` where a process that runs, or one of another machine, holds it; `INVALID_ARGUMENT` for a
 *   blank path
 */
export async function lockRun(folder: string, onNote: (note: string) => void = () => {}): Promise<RunLock> {
  requirePath('the run folder', folder)
  const made = makeFolder(folder)
  const content: LockContent = { ...thisProcess(), since: new Date().toISOString() }
  for (;;) {
    const before = await findLocks(folder)
    refuseHeld(folder, before)
    const number = Math.max(0, ...before.map((lock) => lock.number)) + 1
    const file = path.join(folder, `run-${number}.lock`)
    if (!(await create(file, content))) continue
    // One that was slow may have counted from a lock that is gone by now. Nobody who holds one is disturbed by it.
    const others = (await findLocks(folder)).filter((lock) => lock.file !== file)
    try {
      refuseHeld(folder, others)
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
    for (const { file: left, content: owner } of others) {
      await rm(left, { force: true })
      const who =
        owner === null ? 'that was incomplete' : `of process ${owner.pid}, which has ended (since ${owner.since})`
      onNote(`Took over the lock of ${folder} ${who}.`)
    }
    let held = true
    return {
      async release() {
        if (!held) return
        held = false
        await rm(file, { force: true })
        if (made !== null) await rmdir(folder).catch(() => {}) // one that nothing was written into need not stay
      },
    }
  }
}

/** @throws VideoMaeError `RUN_LOCKED` */
function refuseHeld(folder: string, locks: readonly FoundLock[]): void {
  const held = locks.find(({ state }) => state !== 'ended')
  if (held === undefined) return
  const { file, content, state, unknown } = held
  const own = content?.pid === process.pid && state === 'running'
  const who =
    content === null
      ? 'a process that is just starting'
      : `process ${content.pid}${own ? ' (this one)' : ''} on ${content.host.split(' ')[0]} since ${content.since}`
  throw new VideoMaeError(`Expected a folder that no other run writes into, but ${folder} is in use by ${who}.`, {
    code: 'RUN_LOCKED',
    exit: 'usage',
    hint:
      unknown.length > 0
        ? `The lock has keys that this version does not know (${unknown.join(', ')}): another version wrote it. If its process has ended, delete ${file} and start again.`
        : state === 'elsewhere'
          ? `That process is on another machine or in another container, so this one cannot see whether it still runs. If it has ended, delete ${file} and start again.`
          : 'Wait until that run has ended, stop it (Ctrl-C saves it), or choose another folder with --out.',
  })
}

async function findLocks(folder: string): Promise<FoundLock[]> {
  const found: FoundLock[] = []
  for (const name of await readdir(folder)) {
    const match = pattern.exec(name)
    if (match === null) continue
    const file = path.join(folder, name)
    const lock = await readLock(file)
    if (lock !== null) found.push({ number: Number(match[1]), file, ...lock })
  }
  return found
}

/** Null where the file is gone by now. */
async function readLock(file: string): Promise<Omit<FoundLock, 'number' | 'file'> | null> {
  const text = await readRegularText(file).catch(nullIfMissing)
  if (text === null) return null
  const json = jsonOrNull(text)
  const parsed = contentSchema.safeParse(json)
  if (parsed.success) {
    const unknown = Object.keys(json as object).filter((key) => !Object.hasOwn(contentSchema.shape, key))
    const state = stateOf(parsed.data)
    // What another version wrote may tell processes apart in another way: it is never taken over.
    return { content: parsed.data, unknown, state: unknown.length > 0 && state === 'ended' ? 'elsewhere' : state }
  }
  const found = await stat(file).catch(nullIfMissing)
  if (found === null) return null
  return { content: null, unknown: [], state: Date.now() - found.mtimeMs < unfinishedAfter ? 'running' : 'ended' }
}

/** Makes a lock file with its content. False where there is one. */
async function create(file: string, content: LockContent): Promise<boolean> {
  // A name that `cleanLeftovers` knows.
  const leftover = `.${path.basename(file)}.new-${content.pid}-${randomBytes(6).toString('hex')}`
  const temporary = path.join(path.dirname(file), leftover)
  const text = `${JSON.stringify(content)}\n`
  try {
    await writeNew(temporary, text)
    await link(temporary, file)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    // Some file systems (FAT, some network shares) have no links: the file is there before its content then.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EMLINK')
      throw error
    return await writeNew(file, text).then(
      () => true,
      (refused: NodeJS.ErrnoException) => {
        if (refused.code === 'EEXIST') return false
        throw refused
      },
    )
  } finally {
    await rm(temporary, { force: true })
  }
}

async function writeNew(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
}
