/**
 * Which rows of the data are protected, which are predicted, and which are left out. Every row is judged by itself: what it
 * says, what its file holds, and constants. So rows of an attacker decide about themselves only; a rule that looked at all rows
 * (is there a split? which classes are there?) could be turned over by one of them, and with it every learner.
 */
import path from 'node:path'
import { invalidArgument, VideoMaeError, type VideoMaeErrorOptions } from '../../core/errors.ts'
import { contentDigest, type LabeledVideo, leftOutOf } from '../../dataset/dataset.ts'
import { isInNoPart, partOf, type SplitName } from '../../dataset/split-part.ts'
import { type DigestedFile, digestFile } from '../../format/file-digest.ts'
import type { SourceReading } from '../../video/reading.ts'
import { readVideos } from '../../video/source.ts'
import type { VideoEntry } from '../../video/types.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import { sha256 } from '../ensemble/hash.ts'
import { otherClasses } from '../threat/class-names.ts'
import type { ClassList } from './class-list.ts'
import { problemOfTime, type TimeBounds } from './video-times.ts'

export type SplitSide = 'training' | 'test'

/** A row of the data that is neither protected nor predicted. */
export interface LeftOutRow {
  /** Name of the row. */
  readonly id: string
  /** Which side it would be on; null where that is not known. `trusted`: a video that was to fix the scale. */
  readonly side: SplitSide | 'trusted' | null
  /** `no label`, `unknown class`, `unknown split`, `other part`, `no group`, `no time`, `invalid time`, `outside the periods`, `unusable`, `repeated`, or why its file was not read. */
  readonly code: string
  /** One line for people. */
  readonly reason: string
}

/** How rows come to their sides: `list`: as their list says, by hash where it says nothing; `folders`: by a folder train, validation or test; `hash`. */
export const splitRules = ['list', 'folders', 'hash'] as const
/** How videos are divided into protected samples and inputs. */
export type SplitRule = (typeof splitRules)[number]

/** Codes of rows that are left out for what their label says. */
export const labelCodes: readonly string[] = ['no label', 'unknown class']

export interface ReadingOptions {
  readonly by?: BucketKey
  /** Default: `list` for a list, `hash` for a folder. */
  readonly split?: SplitRule
  /** Share of the rows without a split that are predicted. Default 0.2. */
  readonly testShare?: number
  readonly seed?: number
  readonly signal?: AbortSignal
  /** Files of which the content is known. */
  readonly onDigest?: (done: number, total: number) => void
}

export interface ReadData {
  readonly training: readonly LabeledVideo[]
  readonly test: readonly LabeledVideo[]
  readonly leftOut: readonly LeftOutRow[]
  readonly rows: number
  /** How the data was read. */
  readonly sources: readonly SourceReading[]
  /** How rows came to their sides, for people. */
  readonly how: string
  /** Rows whose side the hash of their group or content decides. */
  readonly byHash: number
}

/** Where a row belongs, before its file is looked at. */
type Verdict =
  | { readonly kind: 'side'; readonly side: SplitSide; readonly label: string }
  /** By the hash of its group or content. */
  | { readonly kind: 'hash'; readonly label: string }
  | { readonly kind: 'out'; readonly side: SplitSide | null; readonly code: string; readonly reason: string }

/**
 * @param only which side all rows are on, where training and test data are named apart; null where `source` has both
 * @throws VideoMaeError `INVALID_ARGUMENT` for a split rule of lists with a folder, or the reverse; what `readVideos` throws (`LIST_FORM_OPEN` among it); `VIDEO_FOLDER_UNREADABLE`, `VIDEO_FOLDER_REPEATED`; `SPLIT_AMBIGUOUS` for folders that may be parts or classes; the system error
 *   where the machine, not the file, is at fault
 */
export async function readData(
  source: string,
  only: SplitSide | null,
  classes: ClassList,
  times: TimeBounds | null,
  options: ReadingOptions,
): Promise<ReadData> {
  const { testShare = 0.2, seed = 0, by, signal, onDigest } = options
  const { entries, sources } = readVideos(source, { labelFromFolder: true, fixedForm: true })
  const folder = sources.some(({ kind }) => kind === 'folder')
  const split = options.split ?? (folder ? 'hash' : 'list')
  if (split === (folder ? 'list' : 'folders'))
    throw invalidArgument('split', folder ? '"folders" or "hash" with a folder' : '"list" or "hash" with a list', split)
  requireWholeFolders(source, sources)
  if (folder && options.split === undefined) requirePlainFolders(source, entries)
  const judge = judgeOf({
    folder: folder ? path.basename(path.resolve(source)) : null,
    split,
    only,
    classes,
    by,
    times,
  })
  const training: LabeledVideo[] = []
  const test: LabeledVideo[] = []
  const leftOut: LeftOutRow[] = leftOutOf(sources).map((row) => ({ ...row, side: only }))
  const rows = entries.length + leftOut.length
  const digests = new Map<string, DigestedFile | Error>()
  const files = new Set(entries.map((entry) => entry.path)).size
  let byHash = 0
  for (const entry of entries) {
    const verdict = judge(entry)
    if (verdict.kind === 'out') {
      const { side, code, reason } = verdict
      leftOut.push({ id: entry.id, side, code, reason })
      continue
    }
    signal?.throwIfAborted()
    const known = digests.get(entry.path) ?? (await digestOrError(entry.path, signal))
    digests.set(entry.path, known)
    onDigest?.(digests.size, files)
    if (known instanceof Error) {
      const side = verdict.kind === 'side' ? verdict.side : null
      leftOut.push({ id: entry.id, side, code: 'unreadable', reason: known.message })
      continue
    }
    const digest = contentDigest(known.digest, entry)
    const video: LabeledVideo = { ...entry, content: known, label: verdict.label, class: -1, digest }
    if (verdict.kind === 'hash') byHash++
    const side = verdict.kind === 'side' ? verdict.side : sideByHash(video, known.digest, { testShare, seed })
    const problem = side === 'training' ? problemOfSample(video, by, times) : null
    if (problem !== null) leftOut.push({ id: entry.id, side, ...problem })
    else (side === 'training' ? training : test).push(video)
  }
  const how = howTold({ split, byHash, rows, testShare, only, source })
  return { training, test, leftOut, rows, sources, how, byHash }
}

/**
 * A folder that is left out takes many videos with it: one that could not be opened this time, or one that a link leads to a second
 * time. Of two links to one folder only the first is followed, so one link more could give all its videos another class.
 *
 * @throws VideoMaeError `VIDEO_FOLDER_UNREADABLE`, `VIDEO_FOLDER_REPEATED`
 */
function requireWholeFolders(source: string, sources: readonly SourceReading[]): void {
  const codes: readonly string[] = ['VIDEO_FOLDER_UNREADABLE', 'VIDEO_FOLDER_REPEATED']
  const found = sources.flatMap(({ unusable }) => unusable).find(({ code }) => codes.includes(code))
  if (found === undefined) return
  throw new VideoMaeError(`Expected every folder of ${source} to be read once, but ${found.reason}.`, {
    code: found.code,
    exit: 'data',
    hint: 'Correct its permissions, or remove the folder or the link to it. A certificate can leave out single videos, but not a folder.',
  })
}

interface Judging {
  /** Name of the folder that is read; null for a list. */
  readonly folder: string | null
  readonly split: SplitRule
  readonly only: SplitSide | null
  readonly classes: ClassList
  readonly by?: BucketKey
  readonly times: TimeBounds | null
}

function judgeOf({ folder, split, only, classes }: Judging): (entry: VideoEntry) => Verdict {
  return (entry) => {
    const { label, part } = folder === null ? wordsOfRow(entry, split) : wordsOfPath(entry.id, folder, split)
    const out = (code: string, reason: string, side: SplitSide | null = only): Verdict => ({
      kind: 'out',
      side,
      code,
      reason,
    })
    if (part.kind === 'unclear') return out('unknown split', part.reason)
    if (part.kind === 'unused') return out('other part', part.reason, null)
    const told: SplitSide | null = part.kind === 'none' ? null : part.name === 'test' ? 'test' : 'training'
    if (part.kind === 'told' && part.name === 'validation')
      return out('other part', 'its split is validation, which is for choosing', null)
    if (only !== null && told !== null && told !== only)
      return out('other part', `its split is ${part.kind === 'told' ? part.name : ''}, and this is the ${only} data`)
    const side = only ?? told
    if (label === undefined) return out('no label', 'it has no label', side)
    if (otherClasses.includes(label))
      return out('unknown class', `no class may be called ${JSON.stringify(label)}`, side)
    if (classes.declared !== null && !classes.declared.includes(label))
      return out('unknown class', `its label ${JSON.stringify(label)} is not one of the declared classes`, side)
    return side === null ? { kind: 'hash', label } : { kind: 'side', side, label }
  }
}

type Part =
  | { readonly kind: 'none' }
  | { readonly kind: 'told'; readonly name: SplitName }
  | { readonly kind: 'unclear'; readonly reason: string }
  | { readonly kind: 'unused'; readonly reason: string }

function wordsOfRow(entry: VideoEntry, split: SplitRule): { readonly label: string | undefined; readonly part: Part } {
  const { label } = entry
  if (split === 'hash' || entry.split === undefined || entry.split.trim() === '')
    return { label, part: { kind: 'none' } }
  const name = partOf(entry)
  if (name !== undefined) return { label, part: { kind: 'told', name } }
  if (isInNoPart(entry))
    return { label, part: { kind: 'unused', reason: `its split is ${entry.split.trim()}, which is no part` } }
  const reason = `its split ${JSON.stringify(entry.split)} is not train, validation or test`
  return { label, part: { kind: 'unclear', reason } }
}

/** The class is the innermost folder, of those that are no part where folders are parts. */
function wordsOfPath(
  id: string,
  folder: string,
  split: SplitRule,
): { readonly label: string | undefined; readonly part: Part } {
  const folders = path.posix.dirname(id) === '.' ? [] : path.posix.dirname(id).split('/')
  if (split !== 'folders') return { label: (folders.at(-1) ?? folder).normalize('NFC'), part: { kind: 'none' } }
  const parts = folders.flatMap((name) => partOf({ split: name }) ?? [])
  const label = folders.findLast((name) => partOf({ split: name }) === undefined)?.normalize('NFC')
  if (parts.length === 1) return { label, part: { kind: 'told', name: parts[0] } }
  const reason = `its path has ${parts.length === 0 ? 'no folder' : 'several folders'} called train, validation or test`
  return { label, part: { kind: 'unclear', reason } }
}

/**
 * Folders called train and test may be parts or classes. Whether they are is not read off the others: one file more would change it.
 *
 * @throws VideoMaeError `SPLIT_AMBIGUOUS`
 */
function requirePlainFolders(source: string, entries: readonly VideoEntry[]): void {
  const names = entries.flatMap(({ id }) => path.posix.dirname(id).split('/'))
  const parts = [...new Set(names.filter((name) => partOf({ split: name }) !== undefined))].sort()
  if (new Set(parts.map((name) => partOf({ split: name }))).size < 2) return
  throw new VideoMaeError(
    `Expected --split to say whether the folders ${parts.join(', ')} in ${source} are parts of a split or classes.`,
    {
      code: 'SPLIT_AMBIGUOUS',
      exit: 'usage',
      hint: 'Use --split folders if they are parts of a split, or --split hash if every folder is a class. A certificate does not guess, because an added file could change the guess.',
    },
  )
}

function sideByHash(
  video: LabeledVideo,
  digest: string,
  { testShare, seed }: { testShare: number; seed: number },
): SplitSide {
  const key = video.group === undefined ? `content ${digest}` : `group ${video.group}`
  return Number.parseInt(sha256(`test split ${seed} ${key}`).slice(0, 12), 16) < testShare * 2 ** 48
    ? 'test'
    : 'training'
}

function problemOfSample(
  { group, time }: LabeledVideo,
  by: BucketKey | undefined,
  times: TimeBounds | null,
): { readonly code: string; readonly reason: string } | null {
  if (by === 'source' && group === undefined)
    return { code: 'no group', reason: 'it has no group, and sources are what is counted' }
  return times === null ? null : problemOfTime(time, times)
}

/** What a system call may answer on a healthy file; then it is not the row that is left out, but the run that ends. */
const faultsOfTheMachine: ReadonlySet<string> = new Set(
  'EMFILE ENFILE ENOMEM EIO ESTALE EAGAIN ETIMEDOUT EBUSY EINTR ENOTCONN EHOSTDOWN EHOSTUNREACH ENETDOWN EREMOTEIO'.split(
    ' ',
  ),
)

/**
 * The content of a file, or why it cannot be read.
 *
 * @throws the system error where the machine, not the file, is at fault
 */
export async function digestOrError(file: string, signal: AbortSignal | undefined): Promise<DigestedFile | Error> {
  try {
    return await digestFile(file, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof Error) || faultsOfTheMachine.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    return error
  }
}

function howTold(told: {
  readonly split: SplitRule
  readonly byHash: number
  readonly rows: number
  readonly testShare: number
  readonly only: SplitSide | null
  readonly source: string
}): string {
  const { split, byHash, rows, testShare, only, source } = told
  if (only !== null) return only === 'test' ? `tested on ${source}` : `trained on ${source}`
  const hashed = `hash of the group, of the content without one, ${testShare} of the videos to test on`
  if (byHash === 0) return split === 'folders' ? 'folders' : 'split column'
  return byHash === rows || split === 'hash' ? hashed : `split column; ${byHash} rows without a split by ${hashed}`
}

/**
 * @throws VideoMaeError `TIME_MISSING`, `TIME_INVALID`, `GROUP_MISSING` where that is why nothing is left; `PROTECTED_SET_EMPTY`, `TEST_SET_EMPTY`
 */
export function requireBothSides({ training, test, leftOut, rows }: ReadData): void {
  for (const [side, videos] of [
    ['training', training],
    ['test', test],
  ] as const) {
    if (videos.length > 0) continue
    const mine = leftOut.filter((row) => row.side === null || row.side === side)
    const [first] = mine
    const why = first === undefined ? '' : ` ${leftOutSummary(mine)}; the first is ${first.id}: ${first.reason}.`
    const single = mine.every(({ code }) => code === first.code) ? first?.code : undefined
    throw new VideoMaeError(`Expected ${side} videos, but none of ${rows} rows is one.${why}`, {
      ...(side === 'training' ? noTraining : noTest),
      ...(single !== undefined && Object.hasOwn(reasonsForNone, single) ? reasonsForNone[single] : {}),
    })
  }
}

const noTraining = {
  code: 'PROTECTED_SET_EMPTY',
  exit: 'data',
  hint: 'Correct the rows. There are no training videos.',
} as const

const noTest = {
  code: 'TEST_SET_EMPTY',
  exit: 'data',
  hint: 'Name videos to predict with --test, or give some rows the split test.',
} as const

const reasonsForNone: Readonly<Record<string, VideoMaeErrorOptions>> = {
  'no time': {
    code: 'TIME_MISSING',
    exit: 'data',
    hint: 'Use a CSV with the columns path,label,time, where the time is a date (2024-05-17) or a number, given when the video was collected.',
  },
  'invalid time': {
    code: 'TIME_INVALID',
    exit: 'data',
    hint: 'Times are dates (2024-05-17, 2024-05-17T12:30Z) or numbers, of the kind of --until.',
  },
  'no group': {
    code: 'GROUP_MISSING',
    exit: 'data',
    hint: 'Use a CSV with the columns path,label,group, where a group is an uploader, a camera or a batch.',
  },
}

/** `3 left out: 2 unknown class, 1 unreadable`; empty where nothing is. */
export function leftOutSummary(leftOut: readonly LeftOutRow[]): string {
  if (leftOut.length === 0) return ''
  const counts = new Map<string, number>()
  for (const { code } of leftOut) counts.set(code, (counts.get(code) ?? 0) + 1)
  return `${leftOut.length} left out: ${[...counts].map(([code, count]) => `${count} ${code}`).join(', ')}`
}
