import path from 'node:path'
import type { AnnotatedVideo, ReadAnnotations } from './official-types.ts'
import { invalidDataset, readLines, required } from './sources.ts'

/**
 * UCF101 (Soomro et al. 2012): `classInd.txt`, `trainlist01.txt` to `testlist03.txt`. Clips of one source video have the same group
 * number in their class (`v_CLASS_gNN_cNN`); official splits keep groups apart.
 */
export const ucf101: ReadAnnotations = async (files, folder) => {
  const index = required(files.find(/^classInd\.txt$/i), 'classInd.txt', folder)
  const classes = (await readLines(index)).map(({ line, text }, i) => {
    const [, number, name] = /^(\d+)\s+(\S+)$/.exec(text) ?? []
    if (Number(number) === i + 1) return name
    throw invalidDataset(`Expected class ${i + 1} and its name on line ${line} of ${index} but received ${text}.`)
  })
  const known = new Set(classes)
  const read = async (file: string, split: AnnotatedVideo['split']): Promise<AnnotatedVideo[]> =>
    (await readLines(file)).map(({ line, text }) => {
      const [name] = text.split(/\s+/)
      const label = path.posix.dirname(name)
      const stem = path.posix.parse(name).name
      if (!known.has(label)) throw invalidDataset(`Expected a class of ${index} on line ${line} of ${file}: ${text}.`)
      const group = /_(g\d+)_c\d+$/.exec(stem)?.[1]
      return { stem, folders: [label], label, split, group: group === undefined ? null : `${label}_${group}` }
    })
  const lists = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const [train, test] = ['train', 'test'].map((part) => {
        const name = `${part}list0${number}.txt`
        return required(files.find(new RegExp(`^${name}$`, 'i')), name, folder)
      })
      return { name: `split${number}`, videos: [...(await read(train, 'train')), ...(await read(test, 'test'))] }
    }),
  )
  return { classes, lists, notes: [] }
}
