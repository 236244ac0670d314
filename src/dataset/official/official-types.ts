/** What annotations of a published data set say. */
import type { SplitName } from '../split-part.ts'
import type { AnnotationFiles } from './sources.ts'

/** A video as annotations name it. */
export interface AnnotatedVideo {
  /** Name of its file without extension. */
  readonly stem: string
  /** Folders that it may be in, by name, where several files have its name. */
  readonly folders: readonly string[]
  readonly label: string
  readonly split: SplitName
  /** Videos cut from one source have the same; null where the data set does not say it. */
  readonly group: string | null
}

/** One official division of the videos. */
export interface AnnotatedList {
  /** File name without `.csv`. */
  readonly name: string
  readonly videos: readonly AnnotatedVideo[]
}

export interface Annotations {
  /** In the official order. */
  readonly classes: readonly string[]
  readonly lists: readonly AnnotatedList[]
  /** What a user should know, one sentence each. */
  readonly notes: readonly string[]
}

/** @throws VideoMaeError `DATASET_INCOMPLETE`, `DATASET_INVALID` */
export type ReadAnnotations = (files: AnnotationFiles, folder: string) => Promise<Annotations>
