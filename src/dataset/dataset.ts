import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { nearestKey, nearestNames } from '../core/nearest-key.ts'
import { type DigestedFile, digestFile } from '../format/file-digest.ts'
import type { SourceReading } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import type { VideoEntry } from '../video/types.ts'
import { copiesOf } from './copies.ts'
import { isInNoPart, partNames, partOf, splitHint } from './split-part.ts'
import type { LeftOut } from './split-record.ts'
import { unusedFolds } from './unused-folds.ts'

/** A video with a class. */
export interface LabeledVideo extends VideoEntry {
  /** Name of the class. */
  readonly label: string
  /** Index into the classes of the data set. */
  readonly class: number
  /** SHA-256 of the file's content, plus `#start-end` for a part; null where it was not asked for or cannot be read. */
  readonly digest: string | null
}

/** Labeled videos, their classes, and how the data was read. */
export interface LabeledDataset {
  /** In the order of the data. */
  readonly videos: readonly LabeledVideo[]
  /** Names of the classes, sorted (`sortClasses`). */
  readonly classes: readonly string[]
  /** Ids of videos with the same content, two or more in each group. */
  readonly duplicates: readonly (readonly string[])[]
  /** Files that cannot even be read as bytes. They stay in `videos`; loading them fails and is counted there. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[]
  /** Rows of the list, and files of the folder, that are not in `videos`. */
  readonly leftOut: readonly LeftOut[]
  /** How each source was read. */
  readonly sources: readonly SourceReading[]
  /** What a user should know of the classes and the split, one sentence each. */
  readonly notes: readonly string[]
}

/** How labels and classes of `openDataset` are read. */
export interface DatasetOptions {
  /** The classes, where the data may not have all of them (testing a classifier). Default: whatever the data says. */
  readonly classes?: readonly string[]
  /** Read every file once to find equal contents. Default true. */
  readonly digests?: boolean
  /** Do not use the split that the data gives. Default false. */
  readonly ignoreSplit?: boolean
  /** The caller uses the folds that the data gives: no note says that they are not used. Default false. */
  readonly folds?: boolean
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Files that were read for their digests. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * The videos of a folder per class, or of a list (path, label, optional start, end, group, split), with their classes.
 *
 * @param source one or several
 * @throws VideoMaeError `LABEL_MISSING`, `LABEL_UNKNOWN` (a label outside `classes`), `CLASSES_TOO_FEW`, `SPLIT_INVALID` (a
 *   video without a part where others have one, or with an unknown one), and what `readVideos` throws
 *
 * @example
 * ```ts
 * import { openDataset } from 'videomae'
 *
 * const { videos, classes } = await openDataset('videos/labels.csv')
 * videos.length // => 48
 * classes.length // => 8
 * ```
 */
export async function openDataset(
  source: string | readonly string[],
  options: DatasetOptions = {},
): Promise<LabeledDataset> {
  const { classes: given, digests: wanted = true, ignoreSplit = false, signal } = options
  const { entries: listed, sources } = readVideos(source, { labelFromFolder: true })
  const unlisted = ignoreSplit ? [] : listed.filter(isInNoPart)
  const found = unlisted.length === 0 ? listed : listed.filter((entry) => !isInNoPart(entry))
  const named = typeof source === 'string' ? source : source.join(', ')
  requireLabels(named, found)
  const notes: string[] = []
  const hasSplit = found.some(({ split }) => split !== undefined)
  const folds = options.folds === true ? null : unusedFolds(sources)
  if (folds !== null) notes.push(folds)
  if (unlisted.length > 0)
    notes.push(
      `${unlisted.length} ${unlisted.length === 1 ? 'video' : 'videos'} of ${named} left out, with the split ${[...new Set(unlisted.map(({ split }) => split?.trim()))].join(', ')}`,
    )
  if (hasSplit && ignoreSplit) notes.push(`the split of ${named} is not used`)
  else if (hasSplit) requireParts(named, found)
  const entries = ignoreSplit ? found.map(({ split: _, ...entry }) => entry) : found
  const classes = given ?? sortClasses(new Set(entries.map((entry) => entry.label!)))
  requireClasses(named, classes)
  if (given === undefined) notes.push(...numberNotes(classes), ...likenessNotes(classes))
  // A classifier may have been trained where accents are written apart.
  const index = new Map(classes.map((name, i) => [name.normalize('NFC'), i]))
  requireKnown(named, entries, classes, new Set(index.keys()))
  const unreadable: { id: string; reason: string }[] = []
  const byPath = new Map<string, DigestedFile | null>()
  if (wanted) {
    const files = new Set(entries.map(({ path }) => path)).size
    for (const { path, id } of entries) {
      if (byPath.has(path)) continue
      signal?.throwIfAborted()
      try {
        byPath.set(path, await digestFile(path, { signal }))
      } catch (error) {
        signal?.throwIfAborted()
        byPath.set(path, null)
        unreadable.push({ id, reason: (error as Error).message })
      }
      options.onProgress?.(byPath.size, files)
    }
  }
  const videos = entries.map((entry): LabeledVideo => {
    const content = byPath.get(entry.path) ?? null
    const at = index.get(entry.label!)!
    return {
      ...entry,
      ...(content === null ? {} : { content }),
      label: classes[at],
      class: at,
      digest: content === null ? null : contentDigest(content.digest, entry),
    }
  })
  return {
    videos,
    classes,
    duplicates: copiesOf(videos).map((group) => group.map(({ id }) => id)),
    unreadable,
    leftOut: [...leftOutOf(sources), ...unlisted.map(inNoPart)],
    sources,
    notes,
  }
}

function inNoPart({ id, split = '' }: VideoEntry): LeftOut {
  return { id, code: 'other part', reason: `its split is ${split.trim()}, which is no part` }
}

/** Rows and files that a source does not give a video for. */
export function leftOutOf(sources: readonly SourceReading[]): LeftOut[] {
  return sources.flatMap(({ unusable, repeated }) => [
    ...unusable.map(({ id, reason }): LeftOut => ({ id, code: 'unusable', reason })),
    ...repeated.map(
      ({ id, line, before }): LeftOut => ({
        id: `${id} (line ${line})`,
        code: 'repeated',
        reason: `line ${line} names ${id} again (line ${before})`,
      }),
    ),
  ])
}

const wholeNumber = /^-?\d+(?:\.0*)?$/

/** Names of classes in order: as numbers where all of them are whole numbers, so that 2 comes before 10, else as text. */
export function sortClasses(labels: Iterable<string>): string[] {
  const sorted = [...labels].sort()
  return sorted.every((label) => wholeNumber.test(label)) ? sorted.sort((a, b) => Number(a) - Number(b)) : sorted
}

/** What to know of classes that are numbers: the model counts from 0 without gaps, whatever the list does. */
function numberNotes(classes: readonly string[]): string[] {
  if (!classes.every((label) => wholeNumber.test(label))) return []
  const numbers = classes.map(Number)
  if (numbers.every((number, i) => number === i)) return []
  const [first, last] = [classes[0], classes[classes.length - 1]]
  const at = numbers.findIndex((number, i) => number !== i)
  return [
    `the classes ${first} to ${last} of the data are ${numbers[0] === 1 && Number(last) === classes.length ? 'counted from 1' : 'not 0, 1, 2, ... without gaps'}: ` +
      `class ${classes[at]} has index ${at} in the model. Names of classes are those of the data; only indices differ.`,
  ]
}

/** Names that are probably meant as one class: they differ in case or blanks alone, or are one number. */
export function likenessNotes(classes: Iterable<string>): string[] {
  const alike = new Map<string, string[]>()
  for (const name of classes) {
    const key = wholeNumber.test(name) ? String(Number(name)) : name.toLowerCase().replace(/\s+/g, ' ').trim()
    alike.set(key, [...(alike.get(key) ?? []), JSON.stringify(name)])
  }
  return [...alike.values()]
    .filter((names) => names.length > 1)
    .map((names) => `${names.join(' and ')} are ${names.length} classes: if they are one class, use one spelling`)
}

function requireKnown(
  source: string,
  entries: readonly VideoEntry[],
  classes: readonly string[],
  known: ReadonlySet<string>,
): void {
  const unknown = entries.filter((entry) => !known.has(entry.label!))
  if (unknown.length === 0) return
  const labels = [...new Set(unknown.map(({ label }) => label!))]
  const shown = (names: readonly string[], most: number): string =>
    names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`
  const near = nearestNames(labels[0], classes, 3)
  throw new VideoMaeError(
    `Expected ${classes.length <= 8 ? `the classes ${classes.join(', ')}` : `one of ${classes.length} classes (near to ${labels[0]}: ${near.join(', ')})`} in ${source}, ` +
      `but ${unknown.length} video${unknown.length === 1 ? ' is' : 's are'} labeled ${shown(labels, 8)}; the first is ${nameOf(unknown[0])}.`,
    { code: 'LABEL_UNKNOWN', exit: 'data', hint: 'Correct the labels, or train on data that has these classes.' },
  )
}

/** `a.mp4 (line 3)` */
function nameOf({ id, line }: VideoEntry): string {
  return line === undefined ? id : `${id} (line ${line})`
}

/** Where the data has a split, every video needs a known part: none may vanish. */
function requireParts(source: string, entries: readonly VideoEntry[]): void {
  const bad = entries.filter((entry) => partOf(entry) === undefined)
  if (bad.length === 0) return
  const [first] = bad
  const near = first.split === undefined ? null : nearestKey(first.split.trim().toLowerCase(), partNames)
  const found = first.split === undefined ? 'nothing' : JSON.stringify(first.split)
  throw new VideoMaeError(
    `Expected one of ${partNames.join(', ')} as the split of every video in ${source}, but ${nameOf(first)} has ${found}` +
      `${bad.length === 1 ? '' : `, and ${bad.length - 1} more have none of them`}.${near === null ? '' : ` Did you mean ${near}?`}`,
    {
      code: 'SPLIT_INVALID',
      exit: 'data',
      hint: splitHint,
    },
  )
}

/** What names the content of a video: the digest of its file, plus `#start-end` for a part. */
export function contentDigest(file: string, { start, end }: Pick<VideoEntry, 'start' | 'end'>): string {
  return start === undefined && end === undefined ? file : `${file}#${start ?? 0}-${end ?? ''}`
}

/** SHA-256 of the whole file that a video is of, which parts of one file share; empty where the file was not digested. */
export function fileDigestOf({ digest }: Pick<LabeledVideo, 'digest'>): string {
  return (digest ?? '').split('#', 1)[0]
}

/** SHA-256 of a file, and of the one that it was prepared from: what has seen either has seen the video. */
export function contentsOfVideo(video: Pick<LabeledVideo, 'digest' | 'original'>): string[] {
  const own = video.digest === null ? [] : [fileDigestOf(video)]
  return video.original === undefined ? own : [...own, video.original]
}

function requireLabels(source: string, entries: readonly VideoEntry[]): void {
  const without = entries.filter((entry) => entry.label === undefined)
  if (without.length === 0) return
  throw new VideoMaeError(
    `Expected a label for every video of ${source}, but ${without.length} have none; the first is ${nameOf(without[0])}.`,
    {
      code: 'LABEL_MISSING',
      exit: 'data',
      hint: 'Use one folder per class, or a CSV with the columns path,label. `videomae inspect` says how each column is read.',
    },
  )
}

function requireClasses(source: string, classes: readonly string[]): void {
  const different = new Set(classes.map((name) => name.normalize('NFC'))).size
  if (different !== classes.length) throw invalidArgument('classes', 'different names', classes.join(', '))
  if (classes.length >= 2) return
  throw new VideoMaeError(
    `Expected at least two classes in ${source} but found ${classes.length}: ${classes.join()}.`,
    {
      code: 'CLASSES_TOO_FEW',
      exit: 'data',
      hint: 'In a folder, every class is a sub-folder; in a CSV, the second column is the class.',
    },
  )
}
