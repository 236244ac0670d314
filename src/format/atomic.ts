import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { isRunning } from '../core/is-running.ts'
import { makeFolder } from '../core/make-folder.ts'
import { namingFile } from '../core/system-error.ts'

/**
 * Files and directories that appear whole or not at all. New content is written to a hidden sibling, flushed, and
 * renamed; a kill or a power cut at any moment leaves the old content or the new. What a kill leaves over is named
 *
 *     .NAME.new-PID-RANDOM    content that was never put in place: to delete
 *     .NAME.old-PID-RANDOM    what NAME was about to replace: to restore where NAME, or another of the same PID-RANDOM, is
 *                             missing, else delete
 *     .NAME.gone-PID-RANDOM   a directory that is being removed: to delete
 *
 * and `cleanLeftovers` does so. It is called before a run's checkpoints are listed, and by the next command that writes these names.
 */
const leftover = /^\.(.+)\.(new|old|gone)-((\d+)-[0-9a-f]{12})$/

/** PID-RANDOM. What is replaced together has it in common. */
function newWriter(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}`
}

function siblingName(path: string, state: 'new' | 'old' | 'gone', writer = newWriter()): string {
  return join(dirname(path), `.${basename(path)}.${state}-${writer}`)
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
 * The file that is meant by a path: what a symbolic link names, which need not be there yet, else the path itself. A rename
 * would replace the link.
 */
export async function followLink(path: string): Promise<string> {
  if (!(await isThere(path, (found) => found.isSymbolicLink()))) return path
  try {
    return await realpath(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP') return path // It names nothing.
    if (code !== 'ENOENT') throw error
    return followLink(resolve(await realpath(dirname(path)), await readlink(path)))
  }
}

/**
 * Write a file atomically: the file at `path` is afterwards the new one, or, after any failure, what it was before. Of a
 * symbolic link it is the file that the link names.
 *
 * @param write fills the temporary file whose path it is given, in the same directory
 */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const target = await followLink(path)
  const temporary = siblingName(target, 'new')
  try {
    await namingFile(target, async () => {
      await write(temporary)
      await flush(temporary)
    })
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true, recursive: true })
    throw error
  }
  await flushDirectory(dirname(target))
}

/**
 * `replaceFile` for a file and others that belong to it and may be known by their names, so that they have them from the
 * beginning.
 *
 * The files are moved one after the other, the one at `path` last; those that were there are moved aside first, that one
 * before its parts, so that it never has foreign parts. After a failure they are back. A kill in between leaves no file at
 * `path` for the moment; `cleanLeftovers`, which the next attempt calls, brings all of them back. Parts that only the
 * earlier one had stay.
 *
 * @param path no symbolic link: the files would take the place of the link; see `followLink`
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
    await cleanLeftovers(directory, (name) => name === basename(path))
    const written = await namingFile(path, async () => {
      const files = await write(temporary)
      await flushTree(temporary)
      return files
    })
    const names = written.map((file) => basename(file))
    const parts = names.filter((name) => name !== basename(path))
    await cleanLeftovers(directory, (name) => parts.includes(name))
    await publish(temporary, directory, parts, basename(path))
    return names.map((name) => (name === basename(path) ? path : join(directory, name)))
  } finally {
    await rm(temporary, { force: true, recursive: true })
  }
}

/** Moves the parts and the file that they belong to from one directory to the other: all of them or, after a failure, none. */
async function publish(from: string, to: string, parts: readonly string[], main: string): Promise<void> {
  const writer = newWriter()
  const aside = (name: string): string => siblingName(join(to, name), 'old', writer)
  const old: string[] = []
  const placed: string[] = []
  try {
    // A file alone is replaced by its rename.
    for (const name of parts.length === 0 ? [] : [main, ...parts]) {
      // A directory stays: that no file can take its place is an error.
      if (!(await isThere(join(to, name), (found) => !found.isDirectory()))) continue
      await rename(join(to, name), aside(name))
      old.unshift(name)
    }
    for (const name of [...parts, main]) {
      await rename(join(from, name), join(to, name))
      placed.push(name)
    }
  } catch (error) {
    try {
      for (const name of placed) if (!old.includes(name)) await rm(join(to, name), { force: true })
      for (const name of old) await rename(aside(name), join(to, name)) // `main` last, if it has all of its parts again
    } catch {
      // It keeps the name under which `cleanLeftovers` finds it. The first error says more.
    }
    throw error
  }
  await flushDirectory(to)
  for (const name of old) await rm(aside(name), { force: true })
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

/** Make an empty directory next to `finalDirectory`, to be filled and handed to `commitDirectory`. */
export async function createTemporaryDirectory(finalDirectory: string): Promise<string> {
  makeFolder(dirname(finalDirectory))
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
  /** Names that were moved back: a kill had come while they, or others with them, were being replaced. */
  readonly restored: readonly string[]
  /** Hidden names that were deleted. */
  readonly deleted: readonly string[]
}

/**
 * Undo what interrupted writers left in a directory. Leftovers of processes that still run are not touched; names of any
 * other form never are.
 *
 * @param isOwn look at the leftovers of these names only, and of what was replaced together with them: in a directory
 *   that others write to, perhaps from other machines, whose processes cannot be seen
 * @param startedAt when this process started, in milliseconds since 1970. A container gives each start of a program the
 *   same process number, so what bears our number but is older than we are is a leftover too.
 */
export async function cleanLeftovers(
  directory: string,
  isOwn: (name: string) => boolean = () => true,
  startedAt = Date.now() - process.uptime() * 1000,
): Promise<CleanedLeftovers> {
  const restored: string[] = []
  const deleted: string[] = []
  const pathOf = (name: string): string => join(directory, name)
  const found = (await readdir(directory)).flatMap((name) => {
    const [, original, state, writer, pid] = leftover.exec(name) ?? []
    return original === undefined ? [] : [{ name, original, state, writer, pid: Number(pid) }]
  })
  const isAsked = ({ original }: { original: string }) => isOwn(original)
  const isWritten = ({ name, pid }: { name: string; pid: number }) => isBeingWritten(pathOf(name), pid, startedAt)
  // What was moved aside first: a name must be back before anything else of that name is judged.
  const old = found.filter(({ state }) => state === 'old')
  for (const writer of new Set(old.filter(isAsked).map((one) => one.writer))) {
    const together = old.filter((one) => one.writer === writer)
    if ((await Promise.all(together.map(isWritten))).includes(true)) continue
    const there = await Promise.all(together.map(({ original }) => exists(pathOf(original))))
    if (there.includes(false)) {
      // What is there may be new, and foreign to what is missing. That comes last: until then it is seen that all belong back.
      const back = [...together.filter((_, i) => there[i]), ...together.filter((_, i) => !there[i])]
      for (const { name, original } of back) await rename(pathOf(name), pathOf(original))
      restored.push(...back.map(({ original }) => original))
    } else {
      for (const { name } of together) await rm(pathOf(name), { recursive: true, force: true })
      deleted.push(...together.map(({ name }) => name))
    }
  }
  for (const one of found) {
    if (one.state === 'old' || !isAsked(one) || (await isWritten(one))) continue
    await rm(pathOf(one.name), { recursive: true, force: true })
    deleted.push(one.name)
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

/** Whether something of that kind is there. Why it cannot be looked at comes out when something is written there. */
function isThere(path: string, kind: (found: Stats) => boolean): Promise<boolean> {
  return lstat(path).then(kind, () => false)
}

async function isBeingWritten(path: string, pid: number, startedAt: number): Promise<boolean> {
  // The change time, since a rename sets it and leaves the modification time as it was.
  return pid === process.pid ? (await lstat(path)).ctimeMs >= startedAt : isRunning(pid)
}
