/** Folds of cross-validation: every video is tested once, by a classifier that has seen nothing of its group. */
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { LabeledVideo } from './dataset.ts'
import { bundles } from './split.ts'

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
    throw invalidArgument('folds', most, folds, 'Videos without a group are a group each; copies are one.')
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
  const alone = classes.filter((_, c) => counts.filter(({ ofClass }) => ofClass[c] > 0).length < 2)
  if (alone.length > 0)
    throw new VideoMaeError(
      `Expected videos of every class in two folds or more, but those of ${alone.join(', ')} are in one.`,
      {
        code: 'SPLIT_INVALID',
        exit: 'data',
        hint: 'Each class needs videos of at least two groups. Add videos, or leave these classes out.',
      },
    )
  return videos.map((video) => foldOf.get(video)!)
}
