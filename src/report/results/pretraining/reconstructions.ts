/** Animations that `reconstruct` or `demo` have left next to a run. */
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { nullIfMissing } from '../../../format/missing.ts'
import { readRegularFile } from '../../../format/regular-file.ts'
import { code } from '../../page/html.ts'
import type { Block, PagePicture } from '../../page/model.ts'

/** Bytes of all pictures of a page together, and of one file that is looked at. */
const [mostBytes, mostFileBytes] = [1_400_000, 20_000_000]
const mostPictures = 8

/**
 * @param folders looked through in this order, without their subfolders
 * @param newest show the file alone that was written last
 */
export async function reconstructionBlocks(
  folders: readonly string[],
  { newest = false }: { readonly newest?: boolean } = {},
): Promise<Block[]> {
  const pictures: PagePicture[] = []
  let [used, left] = [0, 0]
  for (const folder of folders)
    for (const name of newest ? await newestOf(folder) : await animationsIn(folder)) {
      const found = await pictureOf(path.join(folder, name), name)
      if (found === null) continue
      const size = found.source.length + found.still.length
      if (pictures.length >= mostPictures || used + size > (mostBytes * 4) / 3) left++
      else {
        used += size
        pictures.push(found)
      }
    }
  if (pictures.length === 0)
    return [
      {
        kind: 'text',
        text: [
          'There are no reconstructions next to the run. ',
          code('videomae reconstruct RUN VIDEO --out RUN/reconstruction'),
          ' makes one for this page.',
        ],
      },
    ]
  return [
    {
      kind: 'text',
      text: 'From left to right: the clip; the clip with the hidden patches gray, which is what the model sees; the prediction, with the original visible patches. A model that predicts normalized patches does not know their brightness and contrast: in the prediction these are averages of the visible patches. The last column, if there is one, adds the true mean and std of every patch, which the model does not know, so this column looks better than the model is.',
    },
    {
      kind: 'pictures',
      large: true,
      pictures,
      caption: `Reconstructions that are next to the run. The files do not say which checkpoint made them.${left === 0 ? '' : ` ${left} more left out to keep the page small.`}`,
    },
  ]
}

/** WebP files with a PNG of the same name, as `reconstruct` writes them. */
async function animationsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(nullIfMissing)) ?? []
  return names.filter((name) => name.endsWith('.webp') && names.includes(name.replace(/\.webp$/, '.png'))).sort()
}

async function newestOf(folder: string): Promise<string[]> {
  const names = await animationsIn(folder)
  // A link that leads nowhere is no picture, and no reason to show nothing of the run.
  const timeOf = (name: string): Promise<number> =>
    stat(path.join(folder, name)).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NEGATIVE_INFINITY,
    )
  const times = await Promise.all(names.map(timeOf))
  return names.filter((_, i) => times[i] === Math.max(...times)).slice(0, 1)
}

/** Null for a file that is no animation, or one beyond all bounds. */
async function pictureOf(file: string, name: string): Promise<PagePicture | null> {
  const bytes = await readRegularFile(file, { maxBytes: mostFileBytes }).catch(() => null)
  if (bytes === null) return null
  try {
    const { format, width, pageHeight, pages } = await sharp(bytes, { animated: true }).metadata()
    if (format !== 'webp' || pages === undefined || pageHeight === undefined) return null
    const still = await sharp(bytes, { page: Math.floor(pages / 2) })
      .webp({ quality: 70 })
      .toBuffer()
    return {
      source: `data:image/webp;base64,${bytes.toString('base64')}`,
      still: `data:image/webp;base64,${still.toString('base64')}`,
      ...{ width, height: pageHeight },
      text: `Reconstruction ${name}: ${pages} frames of the clip, of the visible patches, and of the prediction, next to each other`,
      caption: code(name),
    }
  } catch {
    // sharp cannot read it: it is no picture.
    return null
  }
}
