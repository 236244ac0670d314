/** Folds of cross-validation: every video is tested once, by a classifier that has seen nothing of its group. */
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { SourceReading } from '../video/reading.ts'
import { type LabeledDataset, type LabeledVideo, sortClasses } from './dataset.ts'
import { bundles, sharedAmong } from './split.ts'

/** Number of folds to draw; `column`: the folds that the list has. */
export type Folds = number | 'column'

export interface FoldAssignment {
  /** The fold of each video, from 0. */
  readonly foldOf: readonly number[]
  /** What each fold is called. */
  readonly names: readonly string[]
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Divides videos into folds, stratified by class. Videos of one group, copies and, without groups, parts of one file are in one fold.
 *
 * @param repeat number of the division, from 0: each has another order
 * @returns the fold of each video, from 0
 * @throws VideoMaeError `INVALID_ARGUMENT` for fewer than two folds, or more than there are groups; `SPLIT_INVALID` for a class that is in
 *   one fold alone, so that nothing could be trained for its test
 */
export function foldsOf(
  videos: readonly LabeledVideo[],
  classes: readonly string[],
  { folds, seed, repeat = 0 }: { readonly folds: number; readonly seed: number; readonly repeat?: number },
): number[] {
  const order = new RandomStream(seed, repeat, 'folds').shuffle(bundles(videos)).sort((a, b) => b.length - a.length)
  if (!Number.isSafeInteger(folds) || folds < 2 || folds > order.length) {
    const most = `from 2 to ${order.length}, the number of groups of videos`
    throw invalidArgument('folds', most, folds, 'A video without a group is its own group; copies are one group.')
  }
  const counts = Array.from({ length: folds }, () => ({ videos: 0, ofClass: new Float64Array(classes.length) }))
  const foldOf = new Map<LabeledVideo, number>()
  for (const bundle of order) {
    // The fold with the fewest videos of these classes, and of those the smallest.
    const load = ({ ofClass }: (typeof counts)[number]) => bundle.reduce((sum, video) => sum + ofClass[video.class], 0)
    const best = counts.reduce((a, b) => ((load(b) - load(a) || b.videos - a.videos) < 0 ? b : a))
    for (const video of bundle) {
      foldOf.set(video, counts.indexOf(best))
      best.ofClass[video.class]++
    }
    best.videos += bundle.length
  }
  const found = videos.map((video) => foldOf.get(video)!)
  requireTwoFolds(videos, classes, found)
  return found
}

type Columns = Pick<SourceReading, 'columns'>

/** A column of which some rows hold folds and others parts of a split: each row is read as what it says. */
function mixedColumn(sources: readonly Columns[]): string | null {
  for (const { columns } of sources) {
    const names = (told: string) => columns.filter(({ role }) => role === told).map(({ name }) => name)
    const both = names('fold').find((name) => names('split').includes(name))
    if (both !== undefined) return both
  }
  return null
}

/**
 * The folds that a list has in its column `fold`, in the order of their numbers or names.
 *
 * @throws VideoMaeError `SPLIT_INVALID` for a video without a fold, fewer than two folds, a group in several of them, or a class in one alone
 */
export function foldsOfColumn(
  videos: readonly LabeledVideo[],
  classes: readonly string[],
  sources: readonly Columns[] = [],
): FoldAssignment {
  const without = videos.filter(({ fold }) => fold === undefined)
  if (without.length > 0) {
    const [{ id, line }] = without
    const place = line === undefined ? id : `${id} (line ${line})`
    const none = without.length === videos.length
    const mixed = mixedColumn(sources)
    throw invalidFolds(
      none
        ? 'Expected a column fold in the list, but no video has a fold.'
        : `Expected a fold for every video, but ${without.length} have none; the first is ${place}.`,
      mixed !== null
        ? `The column ${mixed} also has parts of a split, such as train: write a fold for each video there, and parts in a column split.`
        : none
          ? 'Add the column, or use --folds K, which draws K folds.'
          : 'Fill the column, or use --folds K.',
    )
  }
  const names = sortClasses(new Set(videos.map(({ fold }) => fold!)))
  if (names.length < 2)
    throw invalidFolds(
      `Expected two folds or more in the column fold but found ${names.length}: ${names.join()}.`,
      'Correct the column, or use --folds K, which draws K folds.',
    )
  const sides = names.map((name) => [`fold ${name}`, videos.filter(({ fold }) => fold === name)] as const)
  const [group, ...more] = sharedAmong(sides, 'group')
  if (group !== undefined) {
    const shown = [...group.sides].map(([fold, id]) => `${id} in ${fold}`).join(', ')
    throw invalidFolds(
      `Expected every group in one fold, but ${group.key} is in several: ${shown}.${more.length === 0 ? '' : ` So are ${more.length} more groups.`}`,
      'Correct the column, or use --folds K, which keeps groups together.',
    )
  }
  const foldOf = videos.map(({ fold }) => names.indexOf(fold!))
  requireTwoFolds(videos, classes, foldOf)
  const contents = sharedAmong(sides, 'content')
  return { foldOf, names, warnings: contents.length === 0 ? [] : [sharedContents(contents)] }
}

/**
 * The folds that are asked for, with their names.
 *
 * @throws VideoMaeError as `foldsOf` and `foldsOfColumn`
 */
export function divisionOf(
  { videos, classes, sources }: Pick<LabeledDataset, 'videos' | 'classes' | 'sources'>,
  { folds, ...options }: { readonly folds: Folds; readonly seed: number; readonly repeat?: number },
): FoldAssignment {
  if (folds === 'column') return foldsOfColumn(videos, classes, sources)
  const foldOf = foldsOf(videos, classes, { folds, ...options })
  return { foldOf, names: Array.from({ length: folds }, (_, fold) => String(fold + 1)), warnings: [] }
}

function sharedContents(contents: ReturnType<typeof sharedAmong>): string {
  const shown = [...contents[0].sides].map(([fold, id]) => `${id} in ${fold}`).join(', ')
  const several = contents.length === 1 ? 'content is' : 'contents are'
  return `${contents.length} ${several} in several folds, e.g. ${shown}; accuracy will look better than it is.`
}

function requireTwoFolds(videos: readonly LabeledVideo[], classes: readonly string[], foldOf: readonly number[]): void {
  const folds = classes.map(() => new Set<number>())
  for (const [i, video] of videos.entries()) folds[video.class].add(foldOf[i])
  const alone = classes.filter((_, c) => folds[c].size < 2)
  if (alone.length === 0) return
  throw invalidFolds(
    `Expected videos of every class in two folds or more, but those of ${alone.join(', ')} are in one.`,
    'Each class needs videos of at least two groups. Add videos, or leave these classes out.',
  )
}

function invalidFolds(message: string, hint: string): VideoMaeError {
  return new VideoMaeError(message, { code: 'SPLIT_INVALID', exit: 'data', hint })
}
