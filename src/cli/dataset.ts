import { printable } from '../core/printable.ts'
import { type OfficialDataset, type OfficialName, writeOfficialDataset } from '../dataset/official/official.ts'
import type { CommonOptions } from './run.ts'

export interface DatasetCommandOptions extends CommonOptions {
  /** Default: `NAME-lists`. */
  readonly out?: string
  /** Default: the folder of the videos. */
  readonly annotations?: string
}

/** Names that are printed of each kind; files and `--json` have all. */
const mostNamed = 10

/** `videomae dataset`. */
export async function datasetCommand(
  name: OfficialName,
  folder: string,
  options: DatasetCommandOptions,
): Promise<void> {
  const { json = false, out = `${name}-lists`, annotations } = options
  const dataset = await writeOfficialDataset(name, folder, { out, annotations })
  process.stdout.write(json ? `${JSON.stringify(dataset)}\n` : textOf(dataset))
}

function textOf({ name, classes, lists, missing, unlisted, emptyClasses, notes, files }: OfficialDataset): string {
  const lines = [
    `${name}: ${classes.length} classes`,
    ...lists.map(({ file, parts }) => {
      const counts = Object.entries(parts).map(([part, count]) => `${count} ${part}`)
      return `${file}: ${counts.join(', ')}`
    }),
    ...counted(missing, 'missing, or several files of this name'),
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
