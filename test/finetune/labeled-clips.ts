/** Videos that tests of fine-tuning share. */
import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { type GeneratedDataset, generateMotionDataset } from '../../src/synthetic/generate.ts'

/** 48 clips of 8 frames, 32 pixels, in `data`, and the list `split.csv` of them: 27 for training, 9 for validation, 13 for testing, of which one is no video. */
export async function writeLabeledClips(data: string): Promise<GeneratedDataset> {
  const generated = await generateMotionDataset(data, {
    clips: 48,
    size: 32,
    frames: 8,
    classes: ['left', 'right', 'up'],
    seed: 3,
  })
  // One file that is no video, in the part that is tested.
  const broken = path.join(data, 'left', 'broken.mp4')
  writeFileSync(broken, 'this is no video')
  const rows = generated.files.map(
    (file, k) => `${file},${generated.labels[k]},${k < 27 ? 'train' : k < 36 ? 'val' : 'test'}`,
  )
  writeFileSync(path.join(data, 'split.csv'), `path,label,split\n${rows.join('\n')}\n${broken},left,test\n`)
  return generated
}

/** The indices in the folder of a feature store: one for each time that it was opened and filled. */
export async function indicesOf(store: string): Promise<string[]> {
  return (await readdir(store)).filter((name) => name.endsWith('.jsonl')).map((name) => path.join(store, name))
}
