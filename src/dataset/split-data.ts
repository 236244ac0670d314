/** A split of the user's own videos, written as a list that every command reads. */
import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { type LabeledVideo, openDataset } from './dataset.ts'
import { splitDataset } from './split.ts'
import { writeSplitFile } from './split-file.ts'
import { recordOfSplit, type SplitRecord } from './split-record.ts'

export interface SplitDataOptions {
  /** Folder of the list. */
  readonly out: string
  readonly seed: number
  /** Shares of the videos. Defaults as `splitDataset`. */
  readonly validation?: number
  readonly test?: number
  /** Groups from names: what the first part in parentheses matches in the id of a video. Default: what the list says. */
  readonly groups?: RegExp
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface SplitData {
  readonly list: string
  readonly classes: readonly string[]
  readonly rows: SplitRecord
  /** Groups of several videos. */
  readonly groups: number
  /** Ids of videos with the same content; they are on one side. */
  readonly duplicates: readonly (readonly string[])[]
  /** Videos whose name has no group, with `groups`. */
  readonly withoutGroup: readonly string[]
  readonly files: readonly string[]
}

/**
 * Divides labeled videos into training, validation and test: stratified by class, groups and copies on one side, the same for the same
 * seed. A split that the data has is not used. Writes `split.csv`, `classes.txt` and `dataset.json`.
 *
 * @throws VideoMaeError as `openDataset` and `splitDataset`; `INVALID_ARGUMENT` for a pattern without parentheses or one that matches no
 *   name; `OUTPUT_TAKEN` where files of other origin would be replaced
 */
export async function splitData(source: string, options: SplitDataOptions): Promise<SplitData> {
  const { out, seed, validation, test, groups, signal, onProgress } = options
  await requireOwnResults(out, {
    what: 'the lists of an earlier call',
    isWritten: (file) => ['split.csv', 'classes.txt', 'dataset.json'].includes(file),
    main: 'dataset.json',
    begins: /^\{\s*"format": "videomae-dataset"/,
  })
  const dataset = await openDataset(source, { ignoreSplit: true, signal, onProgress })
  const videos = groups === undefined ? dataset.videos : withGroups(dataset.videos, groups)
  const split = splitDataset(videos, dataset.classes, { seed, validation, test })
  const sizes = new Map<string, number>()
  for (const { group } of videos) if (group !== undefined) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const list = path.join(out, 'split.csv')
  const files = [list, path.join(out, 'classes.txt'), path.join(out, 'dataset.json')]
  const result = {
    classes: dataset.classes,
    rows: recordOfSplit({ ...dataset, videos }, split),
    groups: [...sizes.values()].filter((size) => size > 1).length,
    duplicates: dataset.duplicates,
    withoutGroup: groups === undefined ? [] : videos.flatMap(({ id, group }) => (group === undefined ? [id] : [])),
  }
  makeFolder(out)
  const document = { format: 'videomae-dataset', version: 1, source: path.resolve(source), seed, ...result }
  await writeFileAtomic(files[2], `${JSON.stringify(document, null, 2)}\n`)
  await writeSplitFile(list, split)
  await writeFileAtomic(files[1], dataset.classes.map((label) => `${label}\n`).join(''))
  return { list, ...result, files }
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
