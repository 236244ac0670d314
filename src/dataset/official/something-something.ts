import { z } from 'zod'
import { readRecords } from '../../format/csv.ts'
import { parseUniqueJson } from '../../format/json.ts'
import type { AnnotatedVideo, ReadAnnotations } from './official-types.ts'
import { invalidDataset, readText, required } from './sources.ts'

const labelsSchema = z.record(z.string().min(1), z.union([z.string().regex(/^\d+$/), z.int().min(0)]))
const videosSchema = z.array(z.looseObject({ id: z.union([z.string(), z.int()]), template: z.string().optional() }))

/**
 * Something-Something V2 (Goyal et al. 2017): `labels.json`, `train.json`, `validation.json`, and `test-answers.csv` if there is one
 * (`id;label`). The class of a video is its template without brackets.
 */
export const somethingSomething: ReadAnnotations = async (files, folder) => {
  const named = (part: string): RegExp => new RegExp(`^(something-something-v2-)?${part}$`, 'i')
  const file = (name: string): string => required(files.find(named(name.replace('.', '\\.'))), name, folder)
  const labelsFile = file('labels.json')
  const numbers = await parsed(labelsFile, labelsSchema)
  const classes = Object.keys(numbers).sort((a, b) => Number(numbers[a]) - Number(numbers[b]))
  const gap = classes.find((label, i) => Number(numbers[label]) !== i)
  if (gap !== undefined)
    throw invalidDataset(
      `Expected the numbers 0 to ${classes.length - 1} in ${labelsFile}, but ${gap} has ${numbers[gap]}.`,
    )
  const known = new Set(classes)
  const row = (id: string, label: string, split: AnnotatedVideo['split'], where: string): AnnotatedVideo => {
    if (!known.has(label))
      throw invalidDataset(`Expected a class of ${labelsFile} for video ${id} of ${where}: ${label}.`)
    return { stem: id, folders: [], label, split, group: null }
  }
  const part = async (name: string, split: AnnotatedVideo['split']): Promise<AnnotatedVideo[]> => {
    const where = file(name)
    return (await parsed(where, videosSchema)).map(({ id, template }) =>
      row(String(id), (template ?? '').replaceAll(/[[\]]/g, ''), split, where),
    )
  }
  const videos = [...(await part('train.json', 'train')), ...(await part('validation.json', 'validation'))]
  const answers = files.find(named('test-answers\\.csv'))
  if (answers !== null) {
    const report = (line: number, message: string): never => {
      throw invalidDataset(`Expected id;label on line ${line} of ${answers}: ${message}.`)
    }
    for (const { fields } of readRecords(await readText(answers), ';', report))
      videos.push(row(fields[0], fields[1] ?? '', 'test', answers))
  }
  const notes =
    answers === null
      ? ['No test-answers.csv: the list has no test videos. Results are usually reported on the validation videos.']
      : []
  return { classes, lists: [{ name: 'ssv2', videos }], notes }
}

async function parsed<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readText(file)
  try {
    return schema.parse(parseUniqueJson(text))
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw invalidDataset(`Expected the official content in ${file}: ${problem.split('\n')[0]}.`)
  }
}
