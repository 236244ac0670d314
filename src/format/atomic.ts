import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Files and directories that appear whole or not at all. New content is written to a hidden sibling, flushed, and
 * renamed; a kill or a power cut at any moment leaves the old content or the new. What a kill leaves over is named
 *
 *     .NAME.new-PID-RANDOM    content that was never put in place: to delete
 *     .NAME.old-PID-RANDOM    the directory that NAME was about to replace: to restore where NAME is missing, else delete
 *     .NAME.gone-PID-RANDOM   a directory that is being removed: to delete
 *
 * and `cleanLeftovers` does so. It is called before a run's checkpoints are listed.
 */
const leftover = /^\.(.+)\.(new|old|gone)-(\d+)-[0-9a-f]{12}$/

function siblingName(path: string, state: 'new' | 'old' | 'gone'): string {
  return join(dirname(path), `.${basename(path)}.${state}-${process.pid}-${randomBytes(6).toString('hex')}`)
}

/** Flush a file's or directory's content to the disk. */
async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Flush the names in a directory, which is what makes a rename survive a power cut. */
async function flushDirectory(path: string): Promise<void> {
  // Windows cannot open a directory; its file systems journal names themselves.
  if (process.platform !== 'win32') await flush(path)
}

/**
 * Write a file atomically: the file at `path` is afterwards the new one, or, after any failure, what it was before.
 *
 * @param write fills the temporary file whose path it is given, in the same directory
 */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = siblingName(path, 'new')
  try {
    await write(temporary)
    await flush(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true, recursive: true })
    throw error
  }
  await flushDirectory(dirname(path))
}

/**
 * `replaceFile` for a file and others that belong to it and may be known by their names, so that they have them from the
 * beginning.
 *
 * The files are moved one after the other, the one at `path` last; the one that was there is removed before the others
 * come, so that a kill in between leaves no file there rather than one with foreign parts. Parts that only the earlier
 * one had stay. What a kill left of an earlier attempt is removed.
 *
 * @param write fills the temporary directory that it is given and returns the paths there, one of them named as `path` is
 * @returns their paths in the directory of `path`, in the same order
 */
export async function replaceFiles(
  path: string,
  write: (temporary: string) => Promise<readonly string[]>,
): Promise<string[]> {
  const directory = dirname(path)
  const temporary = siblingName(path, 'new')
  await mkdir(temporary)
  try {
    await cleanLeftovers(directory, undefined, basename(path))
    const written = await write(temporary)
    await flushTree(temporary)
    const names = written.map((file) => basename(file))
    const parts = names.filter((name) => name !== basename(path))
    if (parts.length > 0) await rm(path, { force: true })
    for (const name of [...parts, basename(path)]) await rename(join(temporary, name), join(directory, name))
    await flushDirectory(directory)
    return names.map((name) => (name === basename(path) ? path : join(directory, name)))
  } finally {
    await rm(temporary, { force: true, recursive: true })
  }
}

/** `replaceFile` for content that is at hand. Text is written as UTF-8. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  await replaceFile(path, async (temporary) => {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(content)
    } finally {
      await file.close()
    }
  })
}

/** Make an empty directory beside `finalDirectory`, to be filled and handed to `commitDirectory`. */
export async function createTemporaryDirectory(finalDirectory: string): Promise<string> {
  await mkdir(dirname(finalDirectory), { recursive: true })
  const temporary = siblingName(finalDirectory, 'new')
  await mkdir(temporary)
  return temporary
}

/**
 * Put a filled directory in place, atomically. Everything in it is flushed first. An existing directory of that name is
 * moved aside for the moment between two renames: if a kill falls there, `cleanLeftovers` brings it back.
 *
 * @param temporary made by `createTemporaryDirectory(finalDirectory)`
 */
export async function commitDirectory(temporary: string, finalDirectory: string): Promise<void> {
  await flushTree(temporary)
  const parent = dirname(finalDirectory)
  let old: string | undefined
  if (await exists(finalDirectory)) {
    old = siblingName(finalDirectory, 'old')
    await rename(finalDirectory, old)
  }
  try {
    await rename(temporary, finalDirectory)
  } catch (error) {
    if (old !== undefined) await rename(old, finalDirectory)
    throw error
  }
  await flushDirectory(parent)
  if (old !== undefined) await rm(old, { recursive: true, force: true })
}

/**
 * Write a directory atomically; the twin of `replaceFile`.
 *
 * @param write fills the temporary directory whose path it is given; a failure leaves `directory` as it was
 */
export async function replaceDirectory(directory: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = await createTemporaryDirectory(directory)
  try {
    await write(temporary)
    await commitDirectory(temporary, directory)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  }
}

/**
 * Remove a directory, atomically: it is renamed first, so that the rest of a removal that was killed is not taken for the
 * directory, and `cleanLeftovers` finishes it.
 */
export async function removeDirectory(directory: string): Promise<void> {
  const gone = siblingName(directory, 'gone')
  await rename(directory, gone)
  await rm(gone, { recursive: true, force: true })
}

async function flushTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await flushTree(path)
    else if (entry.isFile()) await flush(path)
  }
  await flushDirectory(directory)
}

/** What `cleanLeftovers` did. */
export interface CleanedLeftovers {
  /** Names that were moved back: a kill had come while they were being replaced. */
  readonly restored: readonly string[]
  /** Hidden names that were deleted. */
  readonly deleted: readonly string[]
}

/**
 * Undo what interrupted writers left in a directory. Leftovers of processes that still run are not touched; names of any
 * other form never are.
 *
 * @param finalName look at the leftovers of this name only: in a directory that others write to
 * @param startedAt when this process started, in milliseconds since 1970. A container gives each start of a program the
 *   same process number, so what bears our number but is older than we are is a leftover too.
 */
export async function cleanLeftovers(
  directory: string,
  startedAt = Date.now() - process.uptime() * 1000,
  finalName?: string,
): Promise<CleanedLeftovers> {
  const restored: string[] = []
  const deleted: string[] = []
  // Old directories first: a name must be back before anything else of that name is judged.
  const found = (await readdir(directory))
    .map((name) => ({ name, match: leftover.exec(name) }))
    .sort((a, b) => Number(b.match?.[2] === 'old') - Number(a.match?.[2] === 'old'))
  for (const { name, match } of found) {
    if (match === null || (finalName !== undefined && match[1] !== finalName)) continue
    if (await isBeingWritten(join(directory, name), Number(match[3]), startedAt)) continue
    const [, original, state] = match
    if (state === 'old' && !(await exists(join(directory, original)))) {
      await rename(join(directory, name), join(directory, original))
      restored.push(original)
    } else {
      await rm(join(directory, name), { recursive: true, force: true })
      deleted.push(name)
    }
  }
  if (restored.length + deleted.length > 0) await flushDirectory(directory)
  return { restored, deleted }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function isBeingWritten(path: string, pid: number, startedAt: number): Promise<boolean> {
  // The change time, since a rename sets it and leaves the modification time as it was.
  return pid === process.pid ? (await lstat(path)).ctimeMs >= startedAt : isRunning(pid)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
