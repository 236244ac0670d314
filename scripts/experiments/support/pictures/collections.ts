/** Collections of single pictures: which file is of which class, and which training pictures are held out to choose settings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readMnist } from '../mnist/images.ts'

export interface PictureFile {
  readonly file: string
  readonly label: number
  /** Of a training picture: whether settings are chosen on it. */
  readonly heldOut: boolean
  /** What a table says of its size, pixels. */
  readonly size?: { readonly width: number; readonly height: number }
}

export interface Collection {
  readonly name: string
  readonly classNames: readonly string[]
  readonly train: readonly PictureFile[]
  readonly test: readonly PictureFile[]
}

/**
 * The German traffic signs: `Training/<class>/<class>_<track>_<frame>.png`, `Testing/Images/<number>.ppm` and
 * `Testing/GT-final_test.csv`. Pictures of one track are of one sign: every tenth track of each class is held out.
 */
function trafficSigns(folder: string): Collection {
  const classNames = Array.from({ length: 43 }, (_, label) => String(label))
  const train = classNames.flatMap((name, label) =>
    filesOf(path.join(folder, 'Training', name), '.png').map((file) => {
      const [sign, track] = path.basename(file).split('_').map(Number)
      if (sign !== label) throw new Error(`Expected class ${label} in the name of ${file}.`)
      return { file, label, heldOut: track % 10 === 9 }
    }),
  )
  const [head, ...lines] = readFileSync(path.join(folder, 'Testing/GT-final_test.csv'), 'utf8').trim().split(/\r?\n/)
  if (!head.startsWith('Filename;Width;Height;') || !head.endsWith(';ClassId'))
    throw new Error(`Expected the table of the test pictures, but its columns are ${head}.`)
  const test = lines.map((line) => {
    const cells = line.split(';')
    const [width, height, label] = [cells[1], cells[2], cells[7]].map(Number)
    return { file: path.join(folder, 'Testing/Images', cells[0]), label, heldOut: false, size: { width, height } }
  })
  const stored = filesOf(path.join(folder, 'Testing/Images'), '.ppm')
  if (stored.some((file, i) => file !== test[i]?.file))
    throw new Error('Expected one line of the table for each test picture.')
  return checked({ name: 'gtsrb', classNames, train, test }, 39_209, 12_630)
}

/** CIFAR-10 as JPEG copies: `train/<class>/0000.jpg` to `4999.jpg`, `test/<class>/`. Every tenth training picture is held out. */
function smallPictures(folder: string): Collection {
  const classNames = readdirSync(path.join(folder, 'train')).sort()
  const pictures = (part: string) =>
    classNames.flatMap((name, label) =>
      filesOf(path.join(folder, part, name), '.jpg').map((file, i) => ({
        file,
        label,
        heldOut: part === 'train' && i % 10 === 9,
      })),
    )
  return checked({ name: 'cifar10', classNames, train: pictures('train'), test: pictures('test') }, 50_000, 10_000)
}

/** MNIST, whose files hold all pictures: each is `<part>/<number>`, and `mnistPictures` reads them. */
function digits(folder: string): Collection {
  const classNames = Array.from({ length: 10 }, (_, label) => String(label))
  const pictures = (part: 'train' | 't10k') =>
    Array.from(readMnist(folder, part).labels, (label, i) => ({
      ...{ file: `${part}/${i}`, label },
      heldOut: part === 'train' && i % 10 === 9,
    }))
  return checked({ name: 'mnist', classNames, train: pictures('train'), test: pictures('t10k') }, 60_000, 10_000)
}

const collections = { mnist: digits, gtsrb: trafficSigns, cifar10: smallPictures }

/** The collection of this name in a folder. */
export function readCollection(name: string, folder: string): Collection {
  const read = Object.entries(collections).find(([known]) => known === name)?.[1]
  if (read === undefined) throw new Error(`Expected --data ${Object.keys(collections).join(' or ')}, but got ${name}.`)
  if (!existsSync(folder)) throw new Error(`Expected the pictures of ${name} in ${folder}.`)
  return read(folder)
}

function filesOf(folder: string, extension: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(extension))
  return names.sort().map((name) => path.join(folder, name))
}

function checked(collection: Collection, train: number, test: number): Collection {
  const { length } = collection.classNames
  if (collection.train.length !== train || collection.test.length !== test)
    throw new Error(
      `Expected ${train} and ${test} pictures, but got ${collection.train.length} and ${collection.test.length}.`,
    )
  for (const { file, label } of [...collection.train, ...collection.test])
    if (!(Number.isInteger(label) && label >= 0 && label < length))
      throw new Error(`Expected a class below ${length} of ${file}.`)
  return collection
}
