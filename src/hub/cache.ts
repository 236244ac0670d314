/**
 * The cache of the Hugging Face tools, so that weights that these have downloaded are found, and the other way round:
 *
 *     models--OWNER--NAME/blobs/ETAG                  contents, named by their digest
 *     models--OWNER--NAME/snapshots/COMMIT/FILE       links to them
 *     models--OWNER--NAME/refs/REVISION               commit of a branch or a tag
 */
import { existsSync } from 'node:fs'
import { copyFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '../core/make-folder.ts'
import { cleanLeftovers, replaceFile } from '../format/atomic.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import type { HubReference } from './reference.ts'
import { type HubFile, neededFiles, whatIsMissing } from './repository.ts'
import type { HubSettings } from './settings.ts'

const commitPattern = /^[0-9a-f]{40}$/

export function cacheFolder({ repository }: HubReference, { cache }: HubSettings): string {
  return path.join(cache, `models--${repository.replace('/', '--')}`)
}

/** Folder of weights that are in the cache as a whole; null where something is missing. Makes no connection. */
export async function findInCache(reference: HubReference, settings: HubSettings): Promise<string | null> {
  const folder = cacheFolder(reference, settings)
  const { revision } = reference
  const commit = commitPattern.test(revision)
    ? revision
    : (await readRegularText(path.join(folder, 'refs', revision)).catch(nullIfMissing))?.trim()
  if (commit === undefined || !commitPattern.test(commit)) return null
  const snapshot = path.join(folder, 'snapshots', commit)
  // A link to a content that was removed is no file.
  const names = ((await readdir(snapshot).catch(nullIfMissing)) ?? []).filter((name) =>
    existsSync(path.join(snapshot, name)),
  )
  return isComplete(neededFiles(names)) ? snapshot : null
}

function isComplete(files: readonly string[]): boolean {
  return files.includes('config.json') && whatIsMissing(files) === null
}

/** Where a content grows and where it belongs. */
export function blobPaths(folder: string, { etag }: HubFile): { readonly target: string; readonly partial: string } {
  const target = path.join(folder, 'blobs', etag)
  return { target, partial: `${target}.incomplete` }
}

/** Lets a snapshot show files whose contents are there, and a revision name the snapshot. @returns the snapshot */
export async function publishSnapshot(
  folder: string,
  { revision }: HubReference,
  commit: string,
  files: readonly HubFile[],
): Promise<string> {
  const snapshot = path.join(folder, 'snapshots', commit)
  makeFolder(snapshot)
  for (const file of files) {
    const shown = path.join(snapshot, file.name)
    if (existsSync(shown)) continue
    await rm(shown, { force: true })
    // Windows permits links to some users only.
    await symlink(path.join('..', '..', 'blobs', file.etag), shown).catch(() =>
      copyFile(blobPaths(folder, file).target, shown),
    )
  }
  if (revision !== commit) {
    const ref = path.join(folder, 'refs', revision)
    makeFolder(path.dirname(ref))
    await cleanLeftovers(path.dirname(ref), (name) => name === path.basename(ref))
    await replaceFile(ref, (temporary) => writeFile(temporary, commit))
  }
  return snapshot
}
