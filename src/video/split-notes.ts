/** What becomes of the parts of a split, in words for people. */
import { nearestKey } from '../core/nearest-key.ts'
import { isUnusedWord, partOfWord, partWords } from './list/part-words.ts'
import type { VideoEntry } from './types.ts'

interface Parts {
  /** Videos of each part: `train`, `validation`, `test`. */
  readonly counts: ReadonlyMap<string, number>
  /** Rows that are in no part, because their list says so. */
  readonly unused: readonly VideoEntry[]
  /** Rows with a word that is no part. */
  readonly unknown: readonly VideoEntry[]
  /** Rows without a word. */
  readonly without: readonly VideoEntry[]
}

/** Null where no row has a word. */
function partsOf(entries: readonly VideoEntry[]): Parts | null {
  const said = (entry: VideoEntry) => entry.split !== undefined && entry.split.trim() !== ''
  if (!entries.some(said)) return null
  const counts = new Map<string, number>()
  const unused: VideoEntry[] = []
  const unknown: VideoEntry[] = []
  for (const entry of entries.filter(said)) {
    const word = entry.split ?? ''
    const part = partOfWord(word)
    if (part !== undefined) counts.set(part, (counts.get(part) ?? 0) + 1)
    else (isUnusedWord(word) ? unused : unknown).push(entry)
  }
  return { counts, unused, unknown, without: entries.filter((entry) => !said(entry)) }
}

const videos = (count: number): string => `${count} ${count === 1 ? 'video' : 'videos'}`

const placeOf = ({ id, line }: VideoEntry): string => (line === undefined ? id : `${id} (line ${line})`)

/** What each command does with the split of these videos; empty without a split. */
export function splitUse(entries: readonly VideoEntry[]): { readonly lines: string[]; readonly warnings: string[] } {
  const parts = partsOf(entries)
  if (parts === null) return { lines: [], warnings: [] }
  const { counts, unused, unknown, without } = parts
  const [train, validation, test] = ['train', 'validation', 'test'].map((part) => counts.get(part) ?? 0)
  const lines = [
    `split: train ${train} (finetune trains on them, certify protects them), validation ${validation} (finetune chooses on them, ` +
      `certify leaves them out), test ${test} (finetune and evaluate test on them, certify predicts them); pretrain uses all`,
    ...(unused.length === 0
      ? []
      : [`split: ${unused.length} in no part (${wordsOf(unused)}): finetune, evaluate and certify leave them out`]),
  ]
  const warnings: string[] = []
  if (unknown.length > 0) {
    const [first] = unknown
    const near = nearestKey((first.split ?? '').trim().toLowerCase(), Object.keys(partWords))
    warnings.push(
      `${videos(unknown.length)} with an unknown split (${wordsOf(unknown)}), first ${placeOf(first)}: finetune and evaluate refuse the data, ` +
        `certify leaves these out.${near === null ? '' : ` Did you mean ${near}?`} Write unused as the split of rows that no command should use`,
    )
  }
  if (without.length > 0)
    warnings.push(
      `${videos(without.length)} without a split, first ${placeOf(without[0])}, while others have one: finetune and evaluate refuse the data, ` +
        'certify divides these by a hash. Write unused as the split of rows that no command should use',
    )
  return { lines, warnings }
}

/** That pretraining takes videos whatever their part is; null where all are for training. */
export function pretrainSplitNote(entries: readonly VideoEntry[]): string | null {
  const parts = partsOf(entries)
  if (parts === null) return null
  const { counts, unused, unknown } = parts
  const others = [
    ...['validation', 'test'].flatMap((part) => (counts.has(part) ? [`${counts.get(part)} of the ${part} split`] : [])),
    ...(unused.length + unknown.length === 0
      ? []
      : [`${unused.length + unknown.length} with the split ${wordsOf([...unused, ...unknown])}`]),
  ]
  if (others.length === 0) return null
  return `the split is not used: all ${videos(entries.length)} are pretrained on, ${others.join(' and ')} among them. To leave them out, name a list without them.`
}

/** The words of these rows, each once. */
function wordsOf(entries: readonly VideoEntry[]): string {
  const words = [...new Set(entries.map(({ split }) => split ?? ''))]
  return `${words.slice(0, 4).join(', ')}${words.length > 4 ? ', ...' : ''}`
}
