import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { type Duplicates, findDuplicates, type SimilarVideos } from '../dataset/duplicates.ts'
import { type OfficialDataset, type OfficialName, writeOfficialDataset } from '../dataset/official/official.ts'
import { type SplitData, splitData } from '../dataset/split-data.ts'
import { formatSplitRecord } from '../dataset/split-record.ts'
import { ProgressDisplay } from '../train/progress.ts'
import type { DatasetCommandOptions } from './commands/dataset.ts'
import { interruptSignal } from './interrupt.ts'
import { invocation } from './invocation.ts'

/** Names that are printed of each kind; files and `--json` have all. */
const mostNamed = 10
/** Sets that look alike. */
const mostSets = 50

/** `videomae dataset`. */
export async function datasetCommand(
  name: OfficialName | 'split' | 'duplicates',
  folder: string,
  options: DatasetCommandOptions,
): Promise<void> {
  if (name === 'split') return splitCommand(folder, options)
  if (name === 'duplicates') return duplicatesCommand(folder, options)
  const { validation, test, seed, groups, folds } = options
  for (const [option, value] of Object.entries({ validation, test, seed, groups, folds }))
    if (value !== undefined) throw unusedArgument(`--${option}`, `with ${name}, which has an official split`, value)
  const { json = false, out = `${name}-lists`, annotations } = options
  const dataset = await writeOfficialDataset(name, folder, { out, annotations })
  process.stdout.write(json ? `${JSON.stringify(dataset)}\n` : textOf(dataset))
}

async function splitCommand(source: string, options: DatasetCommandOptions): Promise<void> {
  const { json = false, out = 'split-lists', annotations, seed = 0, groups, folds, validation, test } = options
  if (annotations !== undefined)
    throw unusedArgument('--annotations', 'with split, which reads no annotation files', annotations)
  if (folds !== undefined)
    for (const [option, value] of Object.entries({ validation, test }))
      if (value !== undefined)
        throw unusedArgument(`--${option}`, 'with --folds, where each fold is tested once', value)
  if (folds === 'column' && options.seed !== undefined)
    throw unusedArgument('--seed', 'with --folds column, which draws nothing at random', seed)
  const pattern = groups === undefined ? undefined : patternOf(groups)
  const split = await splitData(source, { out, seed, validation, test, folds, groups: pattern })
  process.stdout.write(json ? `${JSON.stringify(split)}\n` : splitText(split))
}

async function duplicatesCommand(source: string, options: DatasetCommandOptions): Promise<void> {
  const { json = false, out = 'duplicates', ...others } = options
  const { annotations, validation, test, seed, groups, folds } = others
  for (const [option, value] of Object.entries({ annotations, validation, test, seed, groups, folds }))
    if (value !== undefined) throw unusedArgument(`--${option}`, 'with duplicates, which makes no split', value)
  const display = new ProgressDisplay({ stream: process.stderr, quiet: json })
  const interrupt = interruptSignal('No file was written. Run the same command again.')
  try {
    const onProgress = display.counter('videos')
    const found = await findDuplicates(source, { out, onProgress, signal: interrupt.signal })
    display.end()
    process.stdout.write(json ? `${JSON.stringify(found)}\n` : duplicatesText(found))
  } finally {
    display.end()
    interrupt.dispose()
  }
}

function duplicatesText({ similar, videos, unreadable, list, files, lines }: Duplicates): string {
  const differing = (key: 'label' | 'split'): SimilarVideos[] =>
    similar.filter((set) => new Set(set.videos.map((video) => video[key])).size > 1)
  const text = [
    ...lines,
    `${similar.length} ${similar.length === 1 ? 'set' : 'sets'} of videos that look alike, among ${videos} videos`,
    ...similar.slice(0, mostSets).map((set) => `  ${setText(set)}`),
    ...(similar.length > mostSets ? [`  and ${similar.length - mostSets} more, in ${files[1]}`] : []),
    ...counted(differing('label').map(shortText), 'have several labels'),
    ...counted(differing('split').map(shortText), 'are on several sides of the split'),
    ...counted(
      unreadable.map(({ id, reason }) => `${id}: ${reason}`),
      'could not be read',
    ),
    `wrote ${files.join(', ')}`,
    ...(similar.length === 0
      ? []
      : [
          `Nothing was changed. In ${list} each set is a group, and a group stays on one side of a split. Look at the sets before you use the list.`,
          madeFromAll('groups'),
        ]),
  ]
  return text.map((line) => `${printable(line)}\n`).join('')
}

const namesOf = ({ videos }: SimilarVideos): string[] =>
  videos.map(({ id, label }) => (label === undefined ? id : `${id} (${label})`))

const setText = (set: SimilarVideos): string =>
  `${set.group}: ${namesOf(set).join(', ')}${set.sameFile ? ', copies of one file' : ''}`

const shortText = (set: SimilarVideos): string => namesOf(set).slice(0, 2).join(' and ')

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (error) {
    throw invalidArgument('--groups', 'a regular expression', text, (error as Error).message)
  }
}

function splitText({
  classes,
  rows,
  folds,
  groups,
  duplicates,
  withoutGroup,
  warnings,
  lines: reading,
  notes,
  files,
  lists,
}: SplitData): string {
  const lines = [
    ...reading,
    ...(rows === null ? [] : [`${classes.length} classes; ${formatSplitRecord(rows)}`]),
    ...(folds === null ? [] : [`${classes.length} classes; ${folds.map(foldText).join(', ')}`]),
    `${groups} groups of several videos, each ${folds === null ? 'on one side' : 'in one fold'}`,
    ...counted(withoutGroup, 'without a group in their name'),
    ...counted(
      duplicates.map((ids) => ids.join(' = ')),
      `contents that occur more than once${warnings.length === 0 ? `, each ${folds === null ? 'on one side' : 'in one fold'}` : ''}`,
    ),
    ...notes.map((note) => `note: ${note}`),
    ...warnings.map((warning) => `warning: ${warning}`),
    `wrote ${files.join(', ')}`,
    `Use ${folds === null ? 'it' : 'each'}: ${invocation()} ${folds === null ? 'finetune' : 'certify'} ${lists[0]} --from CHECKPOINT`,
    madeFromAll('parts'),
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

/** One inserted video may change the part or the group of many others, which a certificate of the list does not know of. */
const madeFromAll = (what: 'parts' | 'groups'): string =>
  `The ${what} depend on all videos together: a certificate covers changes of this list, but no changes of the videos before the list was made.`

const foldText = ({ name, videos }: { readonly name: string; readonly videos: number }): string =>
  `fold ${name} with ${videos} video${videos === 1 ? '' : 's'}`

function textOf({ name, classes, lists, missing, unlisted, emptyClasses, notes, files }: OfficialDataset): string {
  const lines = [
    `${name}: ${classes.length} classes`,
    ...lists.map(({ file, parts }) => {
      const counts = Object.entries(parts).map(([part, count]) => `${count} ${part}`)
      return `${file}: ${counts.join(', ')}`
    }),
    ...counted(missing, 'missing, or several files have this name'),
    ...counted(unlisted, 'in the folder, but in no list'),
    ...counted(emptyClasses, 'classes without a video'),
    ...notes.map((note) => `note: ${note}`),
    `wrote ${files.join(', ')}`,
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function counted(names: readonly string[], what: string): string[] {
  if (names.length === 0) return []
  const more = names.length > mostNamed ? `, and ${names.length - mostNamed} more` : ''
  return [`${names.length} ${what}: ${names.slice(0, mostNamed).join(', ')}${more}`]
}
