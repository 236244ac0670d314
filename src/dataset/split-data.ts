/** Splits and folds of the user's own videos, written as lists that every command reads. */
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { readingLines } from '../video/reading.ts'
import { type LabeledDataset, type LabeledVideo, openDataset } from './dataset.ts'
import { divisionOf, type Folds } from './folds.ts'
import { type Split, splitDataset } from './split.ts'
import { writeSplitFile } from './split-file.ts'
import { recordOfSplit, type SplitRecord } from './split-record.ts'

/** How videos are divided, and where the lists go. */
export interface SplitDataOptions {
  /** Folder of the list. */
  readonly out: string
  /** Of what is drawn. Default 0. */
  readonly seed?: number
  /** Share of the videos for validation, 0 to 1. Default 0.1. */
  readonly validation?: number
  /** Share of the videos for the test, 0 to 1. Default 0.2. */
  readonly test?: number
  /** A list for each fold instead, whose test part is that fold: so many folds, or those of the list. */
  readonly folds?: Folds
  /** Groups from names: what the first part in parentheses matches in the id of a video. Default: what the list says. */
  readonly groups?: RegExp
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called with files that were read for their digests. */
  readonly onProgress?: (done: number, total: number) => void
}

/** The lists of a split or of folds, and what is in them. */
export interface SplitData {
  /** Paths of the lists. */
  readonly lists: readonly string[]
  /** Names, sorted. */
  readonly classes: readonly string[]
  /** What became of each row; null with folds. */
  readonly rows: SplitRecord | null
  /** Folds with their numbers of videos; null for a split. */
  readonly folds: readonly { readonly name: string; readonly videos: number }[] | null
  /** Groups of several videos. */
  readonly groups: number
  /** Ids of videos with the same content; they are on one side. */
  readonly duplicates: readonly (readonly string[])[]
  /** Videos whose name has no group, with `groups`. */
  readonly withoutGroup: readonly string[]
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /** How the source was read. */
  readonly lines: readonly string[]
  /** As `LabeledDataset` has them. */
  readonly notes: readonly string[]
  /** Paths that were written. */
  readonly files: readonly string[]
}

/** What a list of a fold is called. */
const foldList = /^fold-\d+\.csv$/

/**
 * Divides labeled videos into training, validation and test: stratified by class, groups and copies on one side, the same for the same
 * seed. A split that the data has is not used. Writes `split.csv`, or `fold-1.csv` and so on, `classes.txt` and `dataset.json`.
 *
 * @throws VideoMaeError as `openDataset`; `SPLIT_INVALID`; `INVALID_ARGUMENT` for a pattern without parentheses or one that matches no
 *   name; `OUTPUT_TAKEN` where files of other origin would be replaced
 *
 * @example
 * ```ts
 * import { splitData } from 'videomae/jobs'
 *
 * const { lists, classes } = await splitData('videos/labels.csv', { out: 'folds', folds: 3 })
 * lists.length // => 3
 * classes.length // => 8
 * ```
 */
export async function splitData(source: string, options: SplitDataOptions): Promise<SplitData> {
  const { out, seed = 0, groups, folds, signal, onProgress } = options
  await requireOwnResults(out, {
    what: 'the lists of an earlier call',
    isWritten: (file) => ['split.csv', 'classes.txt', 'dataset.json'].includes(file) || foldList.test(file),
    main: 'dataset.json',
    begins: /^\{\s*"format": "videomae-dataset"/,
  })
  const read = await openDataset(source, { ignoreSplit: true, folds: folds === 'column', signal, onProgress })
  const videos = groups === undefined ? read.videos : withGroups(read.videos, groups)
  const sizes = new Map<string, number>()
  for (const { group } of videos) if (group !== undefined) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const { splits, ...divided } = divide({ ...read, videos }, options)
  const lists = [...splits.keys()].map((name) => path.join(out, name))
  const files = [...lists, path.join(out, 'classes.txt'), path.join(out, 'dataset.json')]
  const result = {
    classes: read.classes,
    ...divided,
    groups: [...sizes.values()].filter((size) => size > 1).length,
    duplicates: read.duplicates,
    lines: read.sources.flatMap(readingLines),
    notes: read.notes,
    withoutGroup: groups === undefined ? [] : videos.flatMap(({ id, group }) => (group === undefined ? [id] : [])),
  }
  makeFolder(out)
  const document = { format: 'videomae-dataset', version: 1, source: path.resolve(source), seed, ...result }
  await writeFileAtomic(path.join(out, 'dataset.json'), `${JSON.stringify(document, null, 2)}\n`)
  // Lists of an earlier call would belong to another division.
  for (const file of await readdir(out))
    if ((file === 'split.csv' || foldList.test(file)) && !splits.has(file)) await rm(path.join(out, file))
  for (const [name, split] of splits) await writeSplitFile(path.join(out, name), split)
  await writeFileAtomic(path.join(out, 'classes.txt'), read.classes.map((label) => `${label}\n`).join(''))
  return { lists, ...result, files }
}

/** The splits by the names of their lists. */
function divide(
  data: LabeledDataset,
  { seed = 0, validation, test, folds }: SplitDataOptions,
): Pick<SplitData, 'rows' | 'folds' | 'warnings'> & { readonly splits: ReadonlyMap<string, Split> } {
  const { videos, classes } = data
  if (folds === undefined) {
    const split = splitDataset(videos, classes, { seed, validation, test })
    return { rows: recordOfSplit(data, split), folds: null, warnings: [], splits: new Map([['split.csv', split]]) }
  }
  const { foldOf, names, warnings } = divisionOf(data, { folds, seed })
  const splits = names.map((_, fold): [string, Split] => {
    const [test, train] = [true, false].map((own) => videos.filter((_, i) => (foldOf[i] === fold) === own))
    return [`fold-${fold + 1}.csv`, { train, validation: [], test }]
  })
  const counts = names.map((name, fold) => ({ name, videos: foldOf.filter((own) => own === fold).length }))
  return { rows: null, folds: counts, warnings, splits: new Map(splits) }
}

/** A name that does not match keeps the group of its list, if it has one. */
function withGroups(videos: readonly LabeledVideo[], pattern: RegExp): LabeledVideo[] {
  const expected = 'a pattern with a part in parentheses that matches names of videos'
  if (new RegExp(`${pattern.source}|`).exec('')?.length === 1) throw invalidArgument('groups', expected, pattern.source)
  const found = videos.map((video): LabeledVideo => {
    const group = pattern.exec(video.id)?.[1]
    return group === undefined ? video : { ...video, group }
  })
  if (found.every((video, i) => video === videos[i]))
    throw invalidArgument('groups', expected, pattern.source, `The first name is ${videos[0].id}.`)
  return found
}
