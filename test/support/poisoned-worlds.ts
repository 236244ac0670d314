/** Small lists of generated videos for `poisonings`: few videos, few classes, all states that a unit can be in. */
import path from 'node:path'
import type { RandomStream } from '../../src/core/random.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import type { ListRow, State, Unit, World } from './poisonings.ts'

/** Sorts before all others, between them, behind them, as a number, and as what stands for no class. */
const inventions = ['!', 'b', 'zzz', '7', '(any other class)']
const classes = ['a', 'c']

/** Files of videos: each has its own content. */
export async function worldVideos(folder: string, seed: number, clips = 12): Promise<readonly string[]> {
  const videos = await generateMotionDataset(folder, { clips, size: 16, frames: 4, seed, classes: ['left', 'right'] })
  return videos.files.map((file) => path.resolve(file))
}

const pick = <T>(stream: RandomStream, from: readonly T[]): T => from[stream.integer(from.length)]
const unit = (clean: State, others: readonly State[]): Unit => {
  const text = JSON.stringify(clean)
  return [clean, ...others.filter((state) => JSON.stringify(state) !== text)]
}

/**
 * What an attacker can make of one content or id: absent, any label, no label, another or no split, two rows.
 *
 * @param few Only what matters most: absent, any label, to be predicted.
 */
function statesOf(row: ListRow, names: readonly string[], few: boolean): State[] {
  const train = { ...row, split: 'train' }
  const states: State[] = [[], ...names.map((label) => [{ ...train, label }]), [{ ...row, split: 'test' }]]
  if (few) return states
  const twice = [...names].reverse().slice(0, 2)
  return [
    ...states,
    [{ ...train, label: undefined }],
    [{ ...row, split: 'tarin' }],
    [{ ...row, split: undefined }],
    [train, train],
    twice.map((label) => ({ ...train, label })),
  ]
}

export interface Drawn {
  readonly files: readonly string[]
  readonly stream: RandomStream
}

/** Most protected videos have one class, so that there are radii. */
const mostlyOne = (stream: RandomStream): string => (stream.integer(6) === 0 ? classes[1] : classes[0])

function rowsOf({ files, stream }: Drawn, protectedRows: number, inputs: number) {
  const training = files
    .slice(0, protectedRows)
    .map((file): ListRow => ({ file, label: mostlyOne(stream), split: 'train' }))
  const tests = files
    .slice(protectedRows, protectedRows + inputs)
    .map((file): ListRow => ({ file, label: mostlyOne(stream), split: 'test' }))
  return { training, tests, spare: files.slice(protectedRows + inputs) }
}

/** Two poisoned samples have so many pairs of states that one invention has to do. */
const namesFor = (stream: RandomStream, most: number): string[] => [
  ...classes,
  ...(most > 1 ? [pick(stream, inventions)] : inventions),
]

/** Videos are deleted, inserted, relabeled and moved to another part of the split, also those to predict. */
export function generalWorld(drawn: Drawn, options: World['options'], most: number): World {
  const { training, tests, spare } = rowsOf(drawn, 6, 3)
  const names = namesFor(drawn.stream, most)
  const states = (row: ListRow) => statesOf(row, names, most > 1)
  return {
    ...{ name: 'by content', most },
    units: [...[...training, ...tests].map((row) => unit([row], states(row))), unit([], states({ file: spare[0] }))],
    options: { threat: 'general', ...options },
  }
}

/** @param links folder of links: an id keeps its name while its content is replaced, for one poisoned sample */
export function idWorld(drawn: Drawn, options: World['options'], most: number, links: string): World {
  const { training, tests, spare } = rowsOf(drawn, 5, 3)
  const names = namesFor(drawn.stream, most)
  const linked = (row: ListRow, i: number): ListRow => ({
    ...row,
    ...{ file: path.join(links, `id-${i}.mp4`), content: row.file },
  })
  const states = (row: ListRow) => [
    ...statesOf(row, names, most > 1),
    ...[tests[0].file, spare[0]].flatMap((content) =>
      names.slice(0, 3).map((label) => [{ ...row, content, label, split: 'train' }]),
    ),
  ]
  const rows = training.map(linked)
  return {
    ...{ name: 'by id', most },
    units: [...rows.map((row) => unit([row], states(row))), unit([], states(linked({ file: spare[1] }, 99)))],
    fixed: tests,
    options: { threat: 'general', by: 'id', ...options },
  }
}

/** Labels change, and nothing else. */
export function labelWorld(drawn: Drawn, options: World['options'], most: number): World {
  const { training, tests } = rowsOf(drawn, 7, 4)
  const names = most > 1 ? [...classes, ...inventions.slice(0, 3)] : [...classes, ...inventions]
  const units = training.map((row) =>
    unit(
      [row],
      names.map((label) => [{ ...row, label }]),
    ),
  )
  return { ...{ name: 'labels', most, units }, fixed: tests, options: { threat: 'label_flip', ...options } }
}

/** All combinations of states of the rows of one source or period, and of one that is inserted. */
function together(rows: readonly ListRow[], extra: ListRow, few: boolean): Unit {
  const names = few ? classes : [...classes, '!']
  const statesOfRow = (row: ListRow): State[] => [
    [row],
    ...names.filter((label) => label !== row.label).map((label) => [{ ...row, label }]),
    ...(few ? [] : [[{ ...row, split: 'tarin' }]]),
    [],
  ]
  const states = rows.reduce<State[]>(
    (sofar, row) => sofar.flatMap((state) => statesOfRow(row).map((mine) => [...state, ...mine])),
    [[]],
  )
  const inserted = (few ? ['!'] : names).map((label) => ({ ...extra, label }))
  return unit(rows, [...states, ...states.flatMap((state) => inserted.map((row) => [...state, row]))])
}

/** A source has one or two videos, and may get another. */
export function sourceWorld(drawn: Drawn, options: World['options'], most: number): World {
  const { training, tests, spare } = rowsOf(drawn, 6, 3)
  const units = [[0], [1], [2, 3], [4], [5]].map((mine, s) =>
    together(
      mine.map((i) => ({ ...training[i], group: `source ${s}` })),
      { file: spare[0], split: 'train', group: `source ${s}` },
      most > 1,
    ),
  )
  const fresh = [...classes, '!'].map((label) => [{ file: spare[1], label, split: 'train', group: 'new' }])
  return {
    ...{ name: 'by source', most },
    units: [...units, unit([], fresh)],
    fixed: tests.map((row, i) => ({ ...row, group: `input ${i}` })),
    options: { threat: 'source', by: 'source', ...options },
  }
}

/** Five periods of length 10, each with one or two videos, of which any number may change, and one may come. */
export function temporalWorld(drawn: Drawn, options: World['options'], most: number): World {
  const { training, tests, spare } = rowsOf(drawn, 6, 3)
  const units = [[0], [1, 2], [3], [4], [5]].map((mine, p) =>
    together(
      mine.map((i) => ({ ...training[i], time: 10 * p + 5 })),
      { file: spare[0], split: 'train', time: 10 * p + 6 },
      most > 1,
    ),
  )
  return {
    ...{ name: 'by period', most, units },
    fixed: tests.map((row) => ({ ...row, time: 3 })),
    options: { rule: 'temporal', period: '10', until: '50', ...options },
  }
}
