/** Published weights onto this machine: into a folder that the user names, or into the cache of the Hugging Face tools. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { cleanLeftovers, replaceFile } from '../format/atomic.ts'
import { lockRun } from '../train/run-lock.ts'
import { blobPaths, cacheFolder, findInCache, publishSnapshot } from './cache.ts'
import { downloadFile, isWhole, partialName, removeOtherParts, sizeOf } from './download.ts'
import { differs, offline } from './errors.ts'
import { requireAsBefore } from './first-download.ts'
import { type HubReference, parseReference } from './reference.ts'
import {
  describeFile,
  describeRepository,
  type Fetching,
  type HubFile,
  type HubRepository,
  pause,
} from './repository.ts'
import { type FreeBytes, freeBytes, requireRoom } from './room.ts'
import { type HubSettings, hubSettings } from './settings.ts'

/** How weights are downloaded, and who is told of it. */
export interface GetOptions extends Fetching {
  /** The hub, its cache and a token. Default: what the environment variables of the Hugging Face tools say. */
  readonly settings?: HubSettings
  /** Called with what a user should know, a sentence each. */
  readonly onNote?: (note: string) => void
  /** What a folder has room for. Default: as its file system says. */
  readonly freeBytes?: FreeBytes
  /** Bytes that are there, and all that are needed. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Weights that are in a folder, and where they come from. */
export interface GottenWeights {
  /** The folder, as it was given. */
  readonly folder: string
  /** `OWNER/NAME` on the hub. */
  readonly repository: string
  /** Of the repository, 40 hex digits. */
  readonly commit: string
  /** As the page of the weights names it; null: it names none. */
  readonly license: string | null
  /** With the digests that the hub names. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly digest: string }[]
  /** Whether the digest of the weights was also compared with one of models/weights.json; else the hub alone names it. */
  readonly knownDigest: boolean
  /** Bytes that were received now. */
  readonly received: number
}

/** What `getWeights` leaves next to the weights: where they come from. */
const recordName = 'download.json'

/**
 * Downloads weights into a folder. What is there already is not downloaded again, and a file that is there in part is continued.
 *
 * @param weights `OWNER/NAME`, or a name of `knownWeights`; with `@REVISION` behind it for a branch, a tag or a commit
 * @throws VideoMaeError `INVALID_ARGUMENT`, `HUB_OFFLINE`, `HUB_UNREACHABLE`, `HUB_NOT_FOUND`, `HUB_DENIED`, `HUB_ANSWER_INVALID`, `DOWNLOAD_DIFFERS`,
 *   `PYTORCH_FILE`, `SAFETENSORS_NOT_FOUND`, `DISK_TOO_SMALL`, `RUN_LOCKED`; `OUTPUT_TAKEN` for other files of these names; the signal's reason
 */
export async function getWeights(
  weights: string | HubReference,
  folder: string,
  options: GetOptions = {},
): Promise<GottenWeights> {
  const reference = typeof weights === 'string' ? parseReference(weights) : weights
  const settings = options.settings ?? hubSettings()
  if (settings.offline) throw offline(reference, settings)
  const repository = await describeRepository(reference, settings, fetchingOf(options))
  const files = await describeFiles(repository, settings, options)
  const lock = await lockRun(folder, options.onNote)
  try {
    await cleanLeftovers(folder, (name) => name === recordName)
    await requireAsBefore(path.join(folder, recordName), repository, files)
    const missing: HubFile[] = []
    for (const file of files) {
      const target = path.join(folder, file.name)
      if (!existsSync(target)) missing.push(file)
      else if (!(await isWhole(target, file))) throw taken(target, repository)
    }
    const received = await downloadAll(missing, files, repository.reference, settings, options, async (file) => {
      await removeOtherParts(folder, file)
      return { target: path.join(folder, file.name), partial: path.join(folder, partialName(file)) }
    })
    const gotten = { ...described(repository, files), folder, received }
    const { received: _, folder: __, ...record } = gotten
    await replaceFile(path.join(folder, recordName), (temporary) =>
      writeFile(temporary, `${JSON.stringify({ ...record, endpoint: settings.endpoint }, null, 2)}\n`),
    )
    return gotten
  } finally {
    await lock.release()
  }
}

/**
 * The folder of weights that an option names as `hf:OWNER/NAME`. What the cache of the Hugging Face tools has is used without a connection.
 *
 * @param onGotten told of weights that were downloaded
 * @throws VideoMaeError as `getWeights`
 */
export async function weightsInCache(
  reference: HubReference,
  options: GetOptions & { readonly onGotten?: (gotten: GottenWeights) => void } = {},
): Promise<string> {
  const settings = options.settings ?? hubSettings()
  const found = await findInCache(reference, settings)
  if (found !== null) return found
  if (settings.offline) throw offline(reference, settings)
  const folder = cacheFolder(reference, settings)
  const lock = await waitForLock(folder, options)
  try {
    const meanwhile = await findInCache(reference, settings)
    if (meanwhile !== null) return meanwhile
    const repository = await describeRepository(reference, settings, fetchingOf(options))
    const files = await describeFiles(repository, settings, options)
    makeFolder(path.join(folder, 'blobs'))
    const missing = files.filter((file) => !existsSync(blobPaths(folder, file).target))
    const received = await downloadAll(missing, files, reference, settings, options, (file) => blobPaths(folder, file))
    const snapshot = await publishSnapshot(folder, reference, repository.commit, files)
    options.onGotten?.({ ...described(repository, files), folder: snapshot, received })
    return snapshot
  } finally {
    await lock.release()
  }
}

/** Of several processes of one run, one downloads and the others wait. */
async function waitForLock(folder: string, { signal, onNote }: GetOptions) {
  for (let told = false; ; told = true) {
    try {
      return await lockRun(folder, onNote)
    } catch (error) {
      if (!(error instanceof VideoMaeError) || error.code !== 'RUN_LOCKED') throw error
      if (!told) onNote?.(`Another process is downloading into ${folder}: waiting for it.`)
      await pause(500, signal)
    }
  }
}

const fetchingOf = ({ signal, idle, delay }: GetOptions): Fetching => ({ signal, idle, delay })

async function describeFiles(
  repository: HubRepository,
  settings: HubSettings,
  options: GetOptions,
): Promise<HubFile[]> {
  const files: HubFile[] = []
  for (const name of repository.files) files.push(await describeFile(repository, name, settings, fetchingOf(options)))
  const weights = files.find(({ name }) => name === 'model.safetensors')
  const digest = knownDigest(repository.reference)
  if (digest !== null && weights !== undefined && weights.etag !== digest)
    throw differs(weights.name, `the digest ${digest} of models/weights.json`, weights.etag)
  return files
}

/** SHA-256 of `model.safetensors` that is recorded in models/weights.json; null where none is. */
const knownDigest = ({ known, revision }: HubReference): string | null =>
  revision === 'main' ? (known?.sha256 ?? null) : null

const described = ({ reference, commit, license }: HubRepository, files: readonly HubFile[]) => ({
  repository: reference.repository,
  commit,
  license,
  knownDigest: knownDigest(reference) !== null,
  files: files.map(({ name, bytes, etag }) => ({ name, bytes, digest: etag })),
})

async function downloadAll(
  missing: readonly HubFile[],
  files: readonly HubFile[],
  reference: HubReference,
  settings: HubSettings,
  options: GetOptions,
  pathsOf: (file: HubFile) => DownloadPaths | Promise<DownloadPaths>,
): Promise<number> {
  const sum = (some: readonly HubFile[]): number => some.reduce((all, { bytes }) => all + bytes, 0)
  const total = sum(files)
  const before = total - sum(missing)
  let done = before
  let kept = 0
  const paths = new Map<HubFile, DownloadPaths>()
  for (const file of missing) paths.set(file, await pathsOf(file))
  await requireRoomFor(paths, options.freeBytes ?? freeBytes)
  for (const [file, own] of paths) {
    let first: number | null = null
    const onBytes = (bytes: number): void => {
      first ??= bytes
      options.onProgress?.(done + bytes, total)
    }
    await downloadFile(file, own, reference, settings, { ...fetchingOf(options), onBytes })
    done += file.bytes
    kept += first ?? file.bytes
  }
  options.onProgress?.(total, total)
  return done - before - kept
}

/** @throws VideoMaeError `DISK_TOO_SMALL` */
async function requireRoomFor(paths: ReadonlyMap<HubFile, DownloadPaths>, free: FreeBytes): Promise<void> {
  let bytes = 0
  for (const [file, { partial }] of paths) bytes += Math.max(0, file.bytes - (await sizeOf(partial)))
  const [first] = paths.values()
  if (first === undefined) return
  const folder = path.dirname(first.partial)
  requireRoom(folder, bytes, await free(folder))
}

interface DownloadPaths {
  readonly target: string
  readonly partial: string
}

function taken(target: string, { reference }: HubRepository): VideoMaeError {
  return new VideoMaeError(
    `Expected no file at ${target}, or the one of ${reference.repository}, but found another file.`,
    {
      code: 'OUTPUT_TAKEN',
      exit: 'usage',
      hint: 'Choose another folder. Nothing was replaced.',
    },
  )
}
