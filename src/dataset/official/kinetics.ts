import { readRecords } from '../../format/csv.ts'
import type { AnnotatedVideo, ReadAnnotations } from './official-types.ts'
import { invalidDataset, readText, required } from './sources.ts'

/** Parts, with the names that their files have. */
const parts = { train: 'train', validation: 'val(?:id(?:ate|ation))?', test: 'test' } as const

/**
 * Kinetics-400, -600 and -700 (Kay et al. 2017): `train.csv`, `val.csv` and `test.csv` with the columns label, youtube_id, time_start and
 * time_end. Files are called after the id and the seconds, `-abc_000010_000020`, in the folder of a class or of a part, or anywhere. Clips of one YouTube video
 * are a group. Classes are in the order of their names.
 */
export const kinetics: ReadAnnotations = async (files, folder) => {
  const videos: AnnotatedVideo[] = []
  const notes: string[] = []
  for (const [split, name] of Object.entries(parts) as [keyof typeof parts, string][]) {
    const found = files.find(new RegExp(`^(?:kinetics[-_]?[\\w-]*[-_])?${name}\\.csv$`, 'i'))
    const file = split === 'test' ? found : required(found, `${split === 'validation' ? 'val' : split}.csv`, folder)
    if (file === null)
      notes.push('No test.csv: the list has no test videos. Results are usually reported on the validation videos.')
    else videos.push(...labeled(await readPart(file, split), file, notes))
  }
  const classes = [...new Set(videos.map(({ label }) => label))].sort()
  return { classes, lists: [{ name: 'kinetics', videos }], notes }
}

function labeled(rows: readonly AnnotatedVideo[], file: string, notes: string[]): AnnotatedVideo[] {
  const known = rows.filter(({ label }) => label !== '')
  if (known.length < rows.length)
    notes.push(`${rows.length - known.length} rows of ${file} have no label and are left out.`)
  return known
}

async function readPart(file: string, split: keyof typeof parts): Promise<AnnotatedVideo[]> {
  const report = (line: number, message: string): never => {
    throw invalidDataset(`Line ${line} of ${file}: ${message}.`)
  }
  const [header, ...records] = readRecords(await readText(file), ',', report)
  const column = (name: string): number => header?.fields.indexOf(name) ?? -1
  const [id, start, end] = ['youtube_id', 'time_start', 'time_end'].map((name) => {
    if (column(name) >= 0) return column(name)
    throw invalidDataset(
      `Expected the columns label, youtube_id, time_start and time_end in ${file}, but ${name} is missing.`,
    )
  })
  const label = column('label')
  return records.map(({ line, fields }) => {
    const [from, until] = [fields[start], fields[end]].map(Number)
    if (!Number.isInteger(from) || !Number.isInteger(until) || !fields[id])
      report(line, 'expected an id and whole seconds')
    const seconds = [from, until].map((second) => String(second).padStart(6, '0')).join('_')
    const name = label < 0 ? '' : fields[label]
    const folders = [name, name.replaceAll(' ', '_'), split, 'val', 'validate']
    return { stem: `${fields[id]}_${seconds}`, folders, label: name, split, group: fields[id] }
  })
}
