import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateMotionDataset } from '../src/synthetic/generate.ts'

// npx tsx scripts/example-clips.ts: writes the labeled clips of data/motion. Other builds of the encoder write other bytes,
// so the clips are committed.
const folder = fileURLToPath(new URL('../data/motion', import.meta.url))
await rm(folder, { recursive: true, force: true })
const { manifest, labels } = await generateMotionDataset(folder, { clips: 48, seed: 2026 })

// Of the six clips of a class three are for training, one for validation, two for the test.
const split = ['train', 'train', 'train', 'val', 'test', 'test']
const seen = new Map<string, number>()
const [, ...rows] = (await readFile(manifest, 'utf8')).trimEnd().split('\n')
const lines = rows.map((row, k) => {
  const count = seen.get(labels[k]) ?? 0
  seen.set(labels[k], count + 1)
  return `${row},${split[count]}`
})
await writeFile(manifest, `path,label,split\n${lines.join('\n')}\n`)
console.log(`${rows.length} clips of ${seen.size} classes in ${path.relative('.', folder)}`)
