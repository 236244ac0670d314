import { requireCount } from '../core/counts.ts'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { LabeledVideo } from './dataset.ts'
import { partOf, type SplitName, splitHint, splitNames } from './split-part.ts'
import type { LeftOut } from './split-record.ts'

export type Split = Readonly<Record<SplitName, readonly LabeledVideo[]>>

export interface SplitOptions {
  readonly seed: number
  /** Share of the videos to choose the best checkpoint on. Default 0.1. */
  readonly validation?: number
  /** Share of the videos that only the finished classifier sees. Default 0.2. */
  readonly test?: number
  /** Training videos kept per class; default: all. The k-shot set is part of the (k+1)-shot set of the same seed. */
  readonly shots?: number | null
  /** Use the split that the data gives, where it gives one. Default true. */
  readonly official?: boolean
}

/**
 * Divides videos into training, validation and test: as their list says, or stratified by class at random. Videos of one
 * group, videos of equal content and, without groups, parts of one file stay on one side. An official split without validation videos gets them out of its
 * training videos.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `SPLIT_INVALID` for a name in the split column that is none, a video without
 *   one, or a class that would have no training video
 */
export function splitDataset(
  videos: readonly LabeledVideo[],
  classes: readonly string[],
  options: SplitOptions,
): Split {
  const { seed, validation = 0.1, test = 0.2, shots = null, official = true } = options
  for (const [name, share] of Object.entries({ validation, test })) {
    if (!(share >= 0 && share < 1)) throw invalidArgument(name, 'a share from 0 to below 1', share)
  }
  if (!(validation + test < 1)) throw invalidArgument('validation + test', 'less than 1', validation + test)
  const given = official && videos.some((video) => video.split !== undefined)
  const whole = given
    ? officialSplit(videos, seed, validation)
    : divide(videos, { validation, test }, new RandomStream(seed, 'split'))
  const train = shots === null ? whole.train : fewShots(whole.train, classes.length, shots, seed)
  const split = { ...whole, train }
  requireEveryClass(split, classes)
  return split
}

/** What should be on one side of a split, and the key that says so; null where a video has none. */
const kept = {
  content: contentOf,
  group: ({ group }: LabeledVideo) => group ?? null,
} as const

/** A group or a content that several sides have. */
export interface Shared {
  readonly key: string
  /** Side -> id of a video there. */
  readonly sides: ReadonlyMap<string, string>
}

/** Groups or contents that are on several sides: parts of a split, or folds. */
export function sharedAmong(
  sides: Iterable<readonly [side: string, videos: readonly LabeledVideo[]]>,
  what: keyof typeof kept,
): Shared[] {
  const found = new Map<string, Map<string, string>>()
  for (const [side, videos] of sides) {
    for (const video of videos) {
      const key = kept[what](video)
      if (key !== null) found.set(key, (found.get(key) ?? new Map<string, string>()).set(side, video.id))
    }
  }
  return [...found].filter(([, sides]) => sides.size > 1).map(([key, sides]) => ({ key, sides }))
}

/**
 * What is wrong with a split without being an error: contents or groups on several sides. One line each.
 *
 * @param of Default: both.
 */
export function splitWarnings(split: Split, of: readonly (keyof typeof kept)[] = ['content', 'group']): string[] {
  return of.flatMap((what) => {
    const sides = splitNames.map((name) => [name, split[name]] as const)
    const shared = sharedAmong(sides, what)
    if (shared.length === 0) return []
    const example = [...shared[0].sides].map(([name, id]) => `${id} (${name})`).join(' and ')
    const share = what === 'content' ? 'have the same content or are parts of one file' : 'are of one group'
    return [
      `${shared.length} ${what}${shared.length === 1 ? ' is' : 's are'} on several sides of the split, e.g. ${example} ${share}; accuracy will look better than it is.`,
    ]
  })
}

function officialSplit(videos: readonly LabeledVideo[], seed: number, validation: number): Split {
  const split: Record<SplitName, LabeledVideo[]> = { train: [], validation: [], test: [] }
  for (const video of videos) split[requirePart(video)].push(video)
  if (split.validation.length > 0 || validation === 0) return split
  const { train, validation: taken } = divide(
    split.train,
    { validation, test: 0 },
    new RandomStream(seed, 'validation split'),
  )
  return { train, validation: taken, test: split.test }
}

/**
 * Every bundle, the largest first, equal ones in random order, goes to the side that lacks most of its classes; so the
 * shares hold per class as well as the bundles allow.
 */
function divide(
  videos: readonly LabeledVideo[],
  shares: { readonly validation: number; readonly test: number },
  random: RandomStream,
): Split {
  const classes = Math.max(0, ...videos.map((video) => video.class)) + 1
  const totals = countClasses(videos, classes)
  const share: Record<SplitName, number> = { train: 1 - shares.validation - shares.test, ...shares }
  const sides: Record<SplitName, LabeledVideo[]> = { train: [], validation: [], test: [] }
  const counts = Object.fromEntries(splitNames.map((name) => [name, new Float64Array(classes)])) as Record<
    SplitName,
    Float64Array
  >
  const order = random.shuffle(bundles(videos)).sort((a, b) => b.length - a.length)
  for (const bundle of order) {
    const own = countClasses(bundle, classes)
    let best: SplitName = 'train'
    let bestScore = Number.NEGATIVE_INFINITY
    for (const name of splitNames) {
      if (share[name] === 0) continue
      let score = 0
      for (let c = 0; c < classes; c++) {
        if (own[c] > 0) score += (own[c] * (share[name] * totals[c] - counts[name][c])) / (share[name] * totals[c])
      }
      // Where a class is too small for all sides, training comes first.
      if (score > bestScore + 1e-9) [best, bestScore] = [name, score]
    }
    sides[best].push(...bundle)
    for (let c = 0; c < classes; c++) counts[best][c] += own[c]
  }
  const index = new Map(videos.map((video, i) => [video, i]))
  for (const name of splitNames) sides[name].sort((a, b) => index.get(a)! - index.get(b)!)
  return sides
}

function countClasses(videos: readonly LabeledVideo[], classes: number): Float64Array {
  const counts = new Float64Array(classes)
  for (const video of videos) counts[video.class]++
  return counts
}

/**
 * What two videos share if one tells of the other: the file that they are parts of. Where groups are given, they say whether
 * parts belong together, and only equal parts are the same.
 */
function contentOf({ digest, group }: Pick<LabeledVideo, 'digest' | 'group'>): string | null {
  return digest === null || group !== undefined ? digest : digest.split('#')[0]
}

/**
 * Which videos are not independent of each other: those linked by group or by content, directly or through others (union-find). Copies of one file under
 * several names are one content.
 *
 * @returns [videos] the same number for those that belong together
 */
export function bundleNumbers(
  videos: readonly (Pick<LabeledVideo, 'group' | 'digest'> & { readonly path?: string })[],
): number[] {
  const parent = videos.map((_, i) => i)
  const root = (i: number): number => {
    let at = i
    while (parent[at] !== at) at = parent[at] = parent[parent[at]]
    return at
  }
  const first = new Map<string, number>()
  for (const [i, video] of videos.entries()) {
    const content = contentOf(video) ?? (video.group === undefined && video.path !== undefined ? video.path : null)
    const keys = [
      video.group === undefined ? null : `group ${video.group}`,
      content === null ? null : `content ${content}`,
    ]
    for (const key of keys) {
      if (key === null) continue
      const other = first.get(key)
      if (other === undefined) first.set(key, i)
      else parent[root(i)] = root(other)
    }
  }
  return videos.map((_, i) => root(i))
}

/** Sets of videos that must stay together. */
export function bundles<Video extends Pick<LabeledVideo, 'group' | 'digest'>>(videos: readonly Video[]): Video[][] {
  const members = new Map<number, Video[]>()
  const numbers = bundleNumbers(videos)
  for (const [i, video] of videos.entries()) {
    const key = numbers[i]
    const bundle = members.get(key)
    if (bundle === undefined) members.set(key, [video])
    else bundle.push(video)
  }
  return [...members.values()]
}

/** The first `shots` of each class in a seeded order. */
function fewShots(
  train: readonly LabeledVideo[],
  classes: number,
  shots: number,
  seed: number,
): readonly LabeledVideo[] {
  requireCount('shots', shots)
  const chosen = new Set<LabeledVideo>()
  for (let c = 0; c < classes; c++) {
    const own = train.filter((video) => video.class === c)
    const order = new RandomStream(seed, c, 'shots').permutation(own.length)
    for (const i of order.subarray(0, shots)) chosen.add(own[i])
  }
  return train.filter((video) => chosen.has(video))
}

function requireEveryClass(split: Split, classes: readonly string[]): void {
  const present = new Set(split.train.map((video) => video.class))
  const missing = classes.filter((_, c) => !present.has(c))
  if (missing.length === 0) return
  throw new VideoMaeError(
    `Expected training videos of every class, but ${missing.join(', ')} ${missing.length === 1 ? 'has' : 'have'} none.`,
    {
      code: 'SPLIT_INVALID',
      exit: 'data',
      hint: 'Add videos of these classes, lower the shares for validation and test, or use fewer groups per class.',
    },
  )
}

/**
 * The videos of one part, and all others with the reason why they are left out. Without a split column, or with `all`, every
 * video is chosen.
 *
 * @throws VideoMaeError `SPLIT_INVALID` when that part is empty, or a video has no part or an unknown one
 */
export function selectPart<Video extends Pick<LabeledVideo, 'id' | 'split'>>(
  videos: readonly Video[],
  name: SplitName | 'all',
): { readonly chosen: readonly Video[]; readonly leftOut: readonly LeftOut[] } {
  if (name === 'all' || videos.every((video) => video.split === undefined)) return { chosen: videos, leftOut: [] }
  const chosen: Video[] = []
  const leftOut: LeftOut[] = []
  for (const video of videos) {
    const part = requirePart(video)
    if (part === name) chosen.push(video)
    else leftOut.push({ id: video.id, code: 'other part', reason: `its split is ${part}; only ${name} is used` })
  }
  if (chosen.length > 0) return { chosen, leftOut }
  throw new VideoMaeError(`Expected ${name} videos in the split column but found none.`, {
    code: 'SPLIT_INVALID',
    exit: 'data',
    hint: 'Choose another part with --split, or all.',
  })
}

/**
 * `selectPart` without what is left out.
 *
 * @throws VideoMaeError `SPLIT_INVALID` when that part is empty, or a video has no part or an unknown one
 *
 * @example
 * ```ts
 * import { openDataset, videosOfSplit } from 'videomae'
 *
 * const { videos } = await openDataset('videos/labels.csv')
 * videosOfSplit(videos, 'train').length // => 24
 * videosOfSplit(videos, 'test').length // => 16
 * ```
 */
export function videosOfSplit(videos: readonly LabeledVideo[], name: SplitName | 'all'): readonly LabeledVideo[] {
  return selectPart(videos, name).chosen
}

function requirePart(video: Pick<LabeledVideo, 'id' | 'split'>): SplitName {
  const part = partOf(video)
  if (part !== undefined) return part
  throw new VideoMaeError(
    `Expected train, validation or test in the split column but ${video.id} has ${JSON.stringify(video.split ?? '')}.`,
    {
      code: 'SPLIT_INVALID',
      exit: 'data',
      hint: splitHint,
    },
  )
}
