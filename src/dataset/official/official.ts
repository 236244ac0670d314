/** Published data sets as lists of this program, with their official splits, groups and order of classes. */
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { makeFolder } from '../../core/make-folder.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { csvField } from '../../format/csv.ts'
import { requireOwnResults } from '../../format/own-results.ts'
import type { SplitName } from '../split-part.ts'
import { hmdb51 } from './hmdb51.ts'
import { kinetics } from './kinetics.ts'
import type { AnnotatedVideo, ReadAnnotations } from './official-types.ts'
import { somethingSomething } from './something-something.ts'
import { annotationFiles, invalidDataset, VideoFiles } from './sources.ts'
import { ucf101 } from './ucf101.ts'

const readers = { ucf101, hmdb51, ssv2: somethingSomething, kinetics } as const satisfies Record<
  string,
  ReadAnnotations
>
/** A published data set whose official split is known. */
export type OfficialName = keyof typeof readers
/** The published data sets whose official splits are known. */
export const officialNames = Object.keys(readers) as readonly OfficialName[]

/** A list that was written. */
export interface OfficialList {
  /** Path of the list. */
  readonly file: string
  /** Videos in each part. */
  readonly parts: Readonly<Partial<Record<SplitName, number>>>
}

/** The lists of a published data set, and what is not there. */
export interface OfficialDataset {
  /** The data set. */
  readonly name: OfficialName
  /** In the official order. */
  readonly classes: readonly string[]
  /** One for each official split. */
  readonly lists: readonly OfficialList[]
  /** Videos that annotations name and that are not there, or that several files could be. Sorted. */
  readonly missing: readonly string[]
  /** Videos in the folder that no list names. */
  readonly unlisted: readonly string[]
  /** Classes without a video. */
  readonly emptyClasses: readonly string[]
  /** What a user should know, one sentence each. */
  readonly notes: readonly string[]
  /** Paths that were written. */
  readonly files: readonly string[]
}

/** Where annotations are, and where lists go. */
export interface OfficialOptions {
  /** Folder of the lists. */
  readonly out: string
  /** Folder of the annotation files, searched with its subfolders. Default: that of the videos. */
  readonly annotations?: string
}

const header = 'path,label,start,end,group,split'

/**
 * Writes a list for each official split (path,label,start,end,group,split; paths are absolute), `classes.txt` in the official order,
 * `missing.txt` if videos are missing, and `dataset.json`.
 *
 * @param folder where the videos are, in any subfolders
 * @throws VideoMaeError `DATASET_INCOMPLETE` for a missing annotation file, or where not one video is there; `DATASET_INVALID`, also for
 *   a video of two classes or two parts;
 *   `OUTPUT_TAKEN` where files of other origin would be replaced
 */
export async function writeOfficialDataset(
  name: OfficialName,
  folder: string,
  { out, annotations = folder }: OfficialOptions,
): Promise<OfficialDataset> {
  const { classes, lists, notes } = await readers[name](annotationFiles(annotations), annotations)
  const written = new Set(['classes.txt', 'missing.txt', 'dataset.json', ...lists.map((list) => `${list.name}.csv`)])
  await requireOwnResults(out, {
    what: 'the lists of an earlier call',
    isWritten: (file) => written.has(file),
    main: 'dataset.json',
    begins: /^\{\s*"format": "videomae-dataset"/,
  })
  const videos = new VideoFiles(folder)
  const missing = new Set<string>()
  const used = new Set<string>()
  const classFolders = new Set(classes.flatMap((label) => [label, label.replaceAll(' ', '_')]))
  const made = lists.map((list) => {
    const said = new Map<string, AnnotatedVideo>()
    const parts: Partial<Record<SplitName, number>> = {}
    const lines = list.videos.flatMap((video) => {
      const { stem, folders, label, split, group } = video
      const file = videos.find(stem, folders, classFolders)
      if (file === null) {
        missing.add(stem)
        return []
      }
      const before = said.get(file)
      if (before !== undefined) {
        requireSame(list.name, before, video)
        return []
      }
      said.set(file, video)
      used.add(label)
      parts[split] = (parts[split] ?? 0) + 1
      return [[file, label, '', '', group ?? '', split].map(csvField).join(',')]
    })
    return { file: path.join(out, `${list.name}.csv`), parts, text: [header, ...lines, ''].join('\n') }
  })
  if (used.size === 0) throw noVideos(folder, videos.count, [...missing][0])
  const summary = {
    name,
    classes,
    lists: made.map(({ file, parts }) => ({ file, parts })),
    missing: [...missing].sort(),
    unlisted: videos.unlisted(),
    emptyClasses: classes.filter((label) => !used.has(label)),
    notes,
  }
  const texts: [string, string][] = [
    [
      'dataset.json',
      `${JSON.stringify({ format: 'videomae-dataset', version: 1, folder: path.resolve(folder), ...summary }, null, 2)}\n`,
    ],
    ...made.map(({ file, text }): [string, string] => [path.basename(file), text]),
    ['classes.txt', classes.map((label) => `${label}\n`).join('')],
    ['missing.txt', summary.missing.map((stem) => `${stem}\n`).join('')],
  ]
  makeFolder(out)
  for (const [file, text] of texts) await writeFileAtomic(path.join(out, file), text)
  return { ...summary, files: texts.map(([file]) => path.join(out, file)) }
}

/** @throws VideoMaeError `DATASET_INVALID` for one file that is said to be two different videos: no command reads such a list */
function requireSame(list: string, before: AnnotatedVideo, now: AnnotatedVideo): void {
  const told = ({ label, split }: AnnotatedVideo): string => `${label} (${split})`
  if (told(before) === told(now)) return
  throw invalidDataset(
    `Expected one class and one part for the video ${now.stem} in ${list}, but the annotations say ${told(before)} and ${told(now)}.`,
    'Correct the annotation files, or name the folder of the official ones with --annotations.',
  )
}

function noVideos(folder: string, count: number, example: string | undefined): VideoMaeError {
  return new VideoMaeError(
    `Expected videos of the data set in ${folder}, but the annotations name none of its ${count} videos. They name ${example}, for example.`,
    { code: 'DATASET_INCOMPLETE', exit: 'data', hint: 'Name the folder in which you unpacked the videos.' },
  )
}
