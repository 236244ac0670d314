/** Videos encoded once, to be decoded often: `videomae prepare`. */
import path from 'node:path'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { cleanLeftovers, replaceFile } from '../format/atomic.ts'
import { type DigestedFile, digestFile, fileDigest } from '../format/file-digest.ts'
import { nullIfMissing } from '../format/missing.ts'
import { lockRun } from '../train/run-lock.ts'
import { decoderRecord } from '../video/decoder.ts'
import { encodeDefaults } from '../video/encode-defaults.ts'
import { DecodePool } from '../video/pool.ts'
import { preparedFile, preparedList } from '../video/prepared-folder.ts'
import type { SourceReading } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import type { VideoEntry } from '../video/types.ts'
import { endingError, FailedVideo, type LeftOutReason, reasonOf } from './failures.ts'
import { claimFolder, encodingOf, type PrepareSettings, requireSame, settingsOf } from './folder.ts'
import { type LeftOutVideo, type ListedVideo, leftOutFile, writeLeftOut, writePreparedList } from './list.ts'
import { pathWithin, preparedNames, sourceName } from './names.ts'
import { isDone, looksDone, type PreparedRecord, RecordWriter, readPreparedRecords, shareFolder } from './records.ts'

/** Pixels: a smaller picture shows nothing, and encoders work on blocks of this side. */
const leastSide = 16

/** Frames per second that the files can say, in thousandths. */
const leastRate = 0.01
const mostRate = 1000

/** How videos are prepared, and which of them. */
export interface PrepareOptions {
  /** Size, distance of key frames, quality and rate of the files. Default: those of `videomae prepare`. */
  readonly settings?: Partial<PrepareSettings>
  /** Where relative paths of a list start from. Default: the folder the list is in. */
  readonly base?: string
  /** Videos encoded at a time. Default: one per core. */
  readonly jobs?: number
  /** Share of the work, counted from 0. Default: all of it. */
  readonly share?: { readonly index: number; readonly count: number }
  /** Processor seconds one video may take; four times as many when it is tried again. Default 1800. */
  readonly timeoutSeconds?: number
  /** Stops the work; the call rejects with its reason. What is done is kept. */
  readonly signal?: AbortSignal
  /** Called with how the source was read, before the first video is. */
  readonly onSources?: (sources: readonly SourceReading[]) => void
  /** Called with what a user should know, a sentence each. */
  readonly onNote?: (note: string) => void
  /** Videos of this share that are done or failed. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What preparing did, and what is in the folder. */
export interface PreparedSummary {
  /** Folder of the prepared videos. */
  readonly folder: string
  /** Of all files in it. */
  readonly settings: PrepareSettings
  /** Files of this share. */
  readonly files: number
  /** Encoded by this call. */
  readonly encoded: number
  /** Found done. */
  readonly before: number
  /** Bytes of sources and prepared files, of those that the list names. */
  readonly bytes: { readonly originals: number; readonly prepared: number }
  /** Path of the list. */
  readonly list: string
  /** Videos in it. */
  readonly listed: number
  /** Videos of other shares that are not done yet. */
  readonly missing: number
  /** Videos that could not be prepared. */
  readonly leftOut: readonly LeftOutVideo[]
  /** Paths that were written besides the videos. */
  readonly written: readonly string[]
  /** How the source was read. */
  readonly sources: readonly SourceReading[]
}

/** What is to be done, before anything is. */
export interface PreparePlan {
  /** Of all files. */
  readonly settings: PrepareSettings
  /** Rows of the source. */
  readonly entries: readonly VideoEntry[]
  /** How the source was read. */
  readonly sources: readonly SourceReading[]
  /** Files of this share. */
  readonly jobs: readonly PrepareJob[]
  /** Files of all shares: path of the source to path in the folder. */
  readonly names: ReadonlyMap<string, string>
  /** Folder that paths of sources are relative to. */
  readonly root: string
}

/** A file of this share. */
export interface PrepareJob {
  /** Path that can be opened. */
  readonly source: string
  /** Path in the folder of prepared videos. */
  readonly name: string
}

/**
 * Reads the source and says what is to be done. Writes nothing.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `OUTPUT_TAKEN`, `PREPARE_SETTINGS`; what `readVideos` throws
 */
export async function planPreparation(
  source: string,
  folder: string,
  options: PrepareOptions = {},
): Promise<PreparePlan> {
  const { share = { index: 0, count: 1 }, base } = options
  const { size, group, quality } = encodeDefaults
  const settings: PrepareSettings = { size, group, quality, fps: null, ...options.settings }
  if (settings.size < leastSide) throw invalidArgument('size', `at least ${leastSide} pixels`, settings.size)
  const { fps } = settings
  if (fps !== null && !(fps >= leastRate && fps <= mostRate))
    throw invalidArgument('fps', `frames per second from ${leastRate} to ${mostRate}`, fps)
  requireSame(folder, await settingsOf(folder), settings)
  const { entries, sources } = readVideos(source, { base, labelFromFolder: true })
  const [{ kind }] = sources
  if (base !== undefined && kind !== 'list')
    throw invalidArgument('base', 'a list as the source (only lists have relative paths)', base)
  const root = kind === 'folder' ? source : (base ?? path.dirname(source))
  requireApart(kind === 'folder' ? source : root, kind, folder)
  const files = [...new Set(entries.map((entry) => path.resolve(entry.path)))]
  const names = preparedNames(files, root)
  const jobs = files.flatMap((file, i) =>
    i % share.count === share.index ? [{ source: file, name: names.get(file)! }] : [],
  )
  return { settings, entries, sources, jobs, names, root }
}

/** What is written must not be read as a source the next time. */
function requireApart(source: string, kind: SourceReading['kind'], folder: string): void {
  const relative = pathWithin(source, folder)
  if (relative === null || (kind !== 'folder' && relative !== '')) return
  throw invalidArgument('OUT', 'a folder outside of the source', folder)
}

/**
 * Encodes every video of a source into a folder, and writes the list of them. What was done before is kept: the same call continues after any end.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `PREPARE_SETTINGS`, `RUN_LOCKED`, `ENCODER_MISSING`, `ENCODING_FAILED`, `VIDEO_UNREADABLE` where no video can be
 *   prepared; what `planPreparation` and the decoding processes throw; the signal's reason
 */
export async function prepareVideos(
  source: string,
  folder: string,
  options: PrepareOptions = {},
): Promise<PreparedSummary> {
  const { share = { index: 0, count: 1 }, signal, onNote } = options
  const plan = await planPreparation(source, folder, options)
  options.onSources?.(plan.sources)
  await claimFolder(folder, plan.settings)
  const own = shareFolder(folder, share)
  const lock = await lockRun(own, onNote)
  try {
    const before = await readPreparedRecords(folder)
    const { failures, encoded } = await encodeAll(plan, folder, own, before, options)
    signal?.throwIfAborted()
    return await conclude(plan, folder, share.count > 1, { failures, encoded })
  } finally {
    await lock.release()
  }
}

type Failures = ReadonlyMap<string, LeftOutReason>

async function encodeAll(
  { jobs, settings, root }: PreparePlan,
  folder: string,
  own: string,
  before: ReadonlyMap<string, PreparedRecord>,
  options: PrepareOptions,
): Promise<{ readonly failures: Failures; readonly encoded: number }> {
  const { share = { index: 0, count: 1 }, signal, onProgress } = options
  await cleanUp(folder, jobs, share.count === 1)
  const records = await RecordWriter.open(own)
  const failures = new Map<string, LeftOutReason>()
  const encoder = (await decoderRecord()) ?? 'node-av'
  let [done, encoded] = [0, 0]
  // Started with the first video that needs it.
  let pool: DecodePool | undefined
  const encode = async (job: PrepareJob, content: DigestedFile): Promise<void> => {
    pool ??= new DecodePool({
      decoder: 'node-av',
      limits: {},
      workers: options.jobs,
      timeoutSeconds: options.timeoutSeconds ?? encodeDefaults.timeoutSeconds,
      slotBytes: 0,
      mostRequests: jobs.length,
      signal,
    })
    const target = path.join(folder, job.name)
    makeFolder(path.dirname(target))
    const made = pool
    let record: PreparedRecord | undefined
    await replaceFile(target, async (file) => {
      const outcome = await made.encode({
        kind: 'encode',
        entry: { path: job.source, content },
        file,
        ...encodingOf(settings),
      })
      if (!outcome.ok) throw endingError(outcome.failure) ?? new FailedVideo(outcome.failure)
      const { info, frames, sourceFrames, width, height, bytes } = outcome.result
      record = {
        path: job.name,
        sha256: await fileDigest(file, { signal }),
        bytes,
        frames,
        width,
        height,
        original: {
          path: sourceName(job.source, root),
          sha256: content.digest,
          bytes: info.bytes,
          frames: sourceFrames,
          width: info.width,
          height: info.height,
          state: content.state,
        },
        encoder,
        turn: (before.get(job.name)?.turn ?? -1) + 1,
      }
    })
    await records.add(record!)
    encoded++
  }
  const work = async (job: PrepareJob): Promise<void> => {
    try {
      const known = await isDone(folder, job.source, before.get(job.name), signal)
      if (!known.done) await encode(job, known.content ?? (await digestFile(job.source, { signal })))
    } catch (error) {
      signal?.throwIfAborted()
      failures.set(job.source, reasonOf(error, job.source))
    }
    onProgress?.(++done, jobs.length)
  }
  try {
    await inParallel(jobs, work, () => (pool?.size ?? 1) + 2)
  } finally {
    await pool?.close()
  }
  return { failures, encoded }
}

/** What a kill left of files of this share. Those of other shares may be being written, on other machines. */
async function cleanUp(folder: string, jobs: readonly PrepareJob[], alone: boolean): Promise<void> {
  const byFolder = new Map<string, string[]>(alone ? [[folder, [preparedFile, preparedList, leftOutFile]]] : [])
  for (const { name } of jobs) {
    const inside = path.join(folder, path.posix.dirname(name))
    byFolder.set(inside, [...(byFolder.get(inside) ?? []), path.posix.basename(name)])
  }
  for (const [inside, names] of byFolder) {
    await cleanLeftovers(inside, (name) => names.includes(name)).catch(nullIfMissing)
  }
}

/** Works on a few items at a time; the first error ends it once what was begun has ended. */
async function inParallel<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  atATime: () => number,
): Promise<void> {
  const open = new Set<Promise<void>>()
  const errors: unknown[] = []
  for (const item of items) {
    if (errors.length > 0) break
    const running = work(item)
      .catch((error: unknown) => void errors.push(error))
      .then(() => void open.delete(running))
    open.add(running)
    while (open.size >= atATime()) await Promise.race(open)
  }
  await Promise.all(open)
  if (errors.length > 0) throw errors[0]
}

async function conclude(
  { entries, sources, names, jobs, settings }: PreparePlan,
  folder: string,
  shared: boolean,
  { failures, encoded }: { readonly failures: Failures; readonly encoded: number },
): Promise<PreparedSummary> {
  const records = await readPreparedRecords(folder)
  const current = new Map(jobs.map(({ source }) => [source, true]))
  /** What another share has prepared may be older than its source: this call has not looked at it. */
  const isCurrent = async (file: string, record: PreparedRecord): Promise<boolean> => {
    const known = current.get(file)
    if (known !== undefined) return known
    const done = await looksDone(folder, file, record).catch(() => false)
    current.set(file, done)
    return done
  }
  const listed: ListedVideo[] = []
  const leftOut: LeftOutVideo[] = sources.flatMap(({ unusable }) => unusable)
  let missing = 0
  for (const entry of entries) {
    const file = path.resolve(entry.path)
    const failure = failures.get(file)
    const record = records.get(names.get(file)!)
    if (failure !== undefined) leftOut.push({ id: entry.id, code: failure.code, reason: failure.reason })
    else if (record === undefined || !(await isCurrent(file, record))) missing++
    else listed.push({ entry, record })
  }
  const used = new Map(listed.map(({ record }) => [record.path, record]))
  const sum = (of: (record: PreparedRecord) => number): number =>
    [...used.values()].reduce((all, record) => all + of(record), 0)
  // One share knows of its own failures only.
  const written = leftOut.length > 0 || !shared ? await writeLeftOut(folder, leftOut) : []
  if (listed.length === 0 && missing === 0) throw nothingPrepared(leftOut)
  const list = await writePreparedList(folder, listed)
  return {
    folder,
    settings,
    files: jobs.length,
    encoded,
    before: jobs.length - encoded - failures.size,
    bytes: { originals: sum(({ original }) => original.bytes), prepared: sum(({ bytes }) => bytes) },
    list,
    listed: listed.length,
    missing,
    leftOut,
    written: [list, ...written],
    sources,
  }
}

function nothingPrepared(leftOut: readonly LeftOutVideo[]): VideoMaeError {
  return new VideoMaeError(
    `Expected a video that can be prepared, but none of ${leftOut.length} is: ${leftOut[0]?.reason ?? 'the source is empty'}`,
    { code: 'VIDEO_UNREADABLE', exit: 'data', hint: `${leftOutFile} names all of them.` },
  )
}
