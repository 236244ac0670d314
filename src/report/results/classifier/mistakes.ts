/** The predictions that are wrong and most confident: what is worth looking at. */
import { existsSync } from 'node:fs'
import { fileDigest } from '../../../format/file-digest.ts'
import type { VideoEntry } from '../../../video/types.ts'
import { isolated, type Part } from '../../page/html.ts'
import type { Block, PagePicture } from '../../page/model.ts'
import { countText, percentText } from '../../page/numbers.ts'
import { clipPictures } from './clips.ts'
import type { PredictionRow, SplitVideo } from './facts.ts'

const [mostShown, mostNamed] = [8, 20]

/** Wrong predictions, the most confident first. */
export function mistakesOf(predictions: readonly PredictionRow[]): PredictionRow[] {
  return predictions
    .filter(({ label, predicted }) => label !== predicted)
    .sort((a, b) => b.confidence - a.confidence || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}

/** Where the files of predictions may be. */
export interface VideoLists {
  /** As the user names them now. */
  readonly given: readonly VideoEntry[]
  /**
   * As the run names them. A run folder from somebody else can name any file of the reader's, and the page may be passed on: frames
   * of a file are shown only where its content is the one that was evaluated.
   */
  readonly ofRun: readonly VideoEntry[]
}

/**
 * @param videos where the files of predictions may be
 * @param withClips whether frames of videos may be in the page
 */
export async function mistakeBlocks(
  predictions: readonly PredictionRow[],
  videos: VideoLists,
  withClips: boolean,
): Promise<Block[]> {
  if (predictions.length === 0)
    return [{ kind: 'text', text: 'The predictions for each video are missing (predictions.jsonl).' }]
  const wrong = mistakesOf(predictions)
  if (wrong.length === 0) return [{ kind: 'text', text: 'No prediction is wrong.' }]
  const shown = wrong.slice(0, mostNamed)
  const table: Block = {
    kind: 'table',
    caption: 'Wrong predictions with the highest probability',
    columns: [
      { title: 'video' },
      { title: 'true class' },
      { title: 'prediction' },
      { title: 'confidence', align: 'number' },
    ],
    rows: shown.map(({ id, label, predicted, confidence }) => [
      isolated(id),
      isolated(label),
      isolated(predicted),
      percentText(confidence),
    ]),
    note:
      wrong.length > shown.length ? `${countText(wrong.length - shown.length)} more in predictions.jsonl.` : undefined,
  }
  if (!withClips) return [table]
  return [...(await clipBlocks(wrong.slice(0, mostShown), videos)), table]
}

async function clipBlocks(wrong: readonly PredictionRow[], lists: VideoLists): Promise<Block[]> {
  const found: { readonly video: PredictionRow; readonly entry: VideoEntry }[] = []
  const failed: Part[] = []
  for (const video of wrong) {
    const given = entryOf(video.id, lists.given)
    const entry = given ?? entryOf(video.id, lists.ofRun)
    if (entry === null) continue
    const why = given === null ? await otherContent(video, entry) : null
    if (why === null) found.push({ video, entry })
    else failed.push([isolated(video.id), ': ', isolated(why)])
  }
  if (found.length + failed.length === 0)
    return [{ kind: 'text', text: 'The files of these videos were not available, so the page only names them.' }]
  const { pictures, why } = await clipPictures(found.map(({ entry }) => entry))
  if (why !== null) return [{ kind: 'text', text: ['The videos could not be shown: ', isolated(why)] }]
  const drawn: PagePicture[] = []
  for (const [i, picture] of pictures.entries()) {
    const { id, label, predicted, confidence } = found[i].video
    if (typeof picture === 'string') failed.push([isolated(id), ': ', isolated(picture)])
    else
      drawn.push({
        ...picture,
        text: `Frames of ${id}: true class ${label}, predicted ${predicted} with ${percentText(confidence)}`,
        caption: [isolated(predicted), ` ${percentText(confidence)}, true class `, isolated(label)],
      })
  }
  return [
    ...(drawn.length === 0
      ? []
      : [
          {
            kind: 'pictures',
            pictures: drawn,
            caption:
              'Wrong predictions with the highest probability: prediction, its probability, and the true class. 12 frames from the first to the last, the middle of each; the classifier sees other crops and frames.',
          } as const,
        ]),
    ...(failed.length === 0
      ? []
      : [{ kind: 'text', text: 'Not shown:' } as const, { kind: 'list', items: failed } as const]),
  ]
}

/** Why a file cannot be shown as the one that was evaluated; null where it can. */
async function otherContent({ sha256 }: PredictionRow, { path }: VideoEntry): Promise<string | null> {
  if (sha256 === null) return 'predictions.jsonl does not record the content of its file'
  const digest = await fileDigest(path).catch(() => null)
  if (digest === null) return 'its file cannot be read'
  return digest === sha256 ? null : 'its file has changed since the evaluation'
}

/** The one video that an id can mean whose file is there: itself, or the only one whose path ends with it. */
function entryOf(id: string, videos: readonly VideoEntry[]): VideoEntry | null {
  const exact = videos.filter((video) => video.id === id)
  const meant = exact.length > 0 ? exact : videos.filter((video) => video.id.endsWith(`/${id}`))
  const [first] = meant
  const same = meant.every(({ path, start, end }) => path === first.path && start === first.start && end === first.end)
  return first !== undefined && same && existsSync(first.path) ? first : null
}

/** Videos of a split as the loader takes them. Parts of files have their times in the id. */
export function entriesOf(split: readonly SplitVideo[]): VideoEntry[] {
  return split.map(({ path, start, end }) => {
    const part = start === undefined && end === undefined ? '' : `#${start ?? 0}-${end ?? ''}`
    return {
      id: `${path}${part}`,
      path,
      ...(start === undefined ? {} : { start }),
      ...(end === undefined ? {} : { end }),
    }
  })
}
