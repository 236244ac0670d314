import path from 'node:path'
import type { AnnotatedVideo, ReadAnnotations } from './official-types.ts'
import { invalidDataset, readLines, required } from './sources.ts'

/**
 * HMDB51 (Kuehne et al. 2011): `CLASS_test_splitN.txt` with a file name and 1 (train), 2 (test) or 0 (in neither) on each line. Classes
 * are in the order of their names.
 */
export const hmdb51: ReadAnnotations = async (files, folder) => {
  const name = /^(.+)_test_split([123])\.txt$/
  const found = files.all(name).map((file) => {
    const [, label, number] = name.exec(path.basename(file)) as unknown as [string, string, string]
    return { file, label, number: Number(number) }
  })
  const classes = [...new Set(found.map(({ label }) => label))].sort()
  required(found[0]?.file ?? null, 'CLASS_test_split1.txt of each class', folder)
  const lists = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const videos: AnnotatedVideo[] = []
      for (const label of classes) {
        const [one = null, second] = found.filter((each) => each.label === label && each.number === number)
        if (second !== undefined)
          throw invalidDataset(`Expected one list of ${label} for split ${number}: ${one?.file}, ${second.file}.`)
        const file = required(one?.file ?? null, `${label}_test_split${number}.txt`, folder)
        for (const { line, text } of await readLines(file)) {
          const [, video, part] = /^(.+?)\s+([012])$/.exec(text) ?? []
          if (video === undefined)
            throw invalidDataset(`Expected a file name and 0, 1 or 2 on line ${line} of ${file} but received ${text}.`)
          if (part === '0') continue
          const split = part === '1' ? 'train' : 'test'
          videos.push({ stem: path.parse(video).name, folders: [label], label, split, group: null })
        }
      }
      return { name: `split${number}`, videos }
    }),
  )
  return {
    classes,
    lists,
    notes: ['HMDB51 does not say which clips come from one source video; the official splits keep them apart.'],
  }
}
