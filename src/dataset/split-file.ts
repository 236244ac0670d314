import path from 'node:path'
import { writeFileAtomic } from '../format/atomic.ts'
import { csvField } from '../format/csv.ts'
import type { Split } from './split.ts'
import { splitNames } from './split-part.ts'

/** Writes a split as a list that every command reads: path,label,start,end,group,split. Paths are absolute. */
export async function writeSplitFile(file: string, split: Split): Promise<void> {
  const lines = ['path,label,start,end,group,split']
  for (const name of splitNames) {
    for (const { path: video, label, start, end, group } of split[name]) {
      lines.push([path.resolve(video), label, start ?? '', end ?? '', group ?? '', name].map(csvField).join(','))
    }
  }
  await writeFileAtomic(file, `${lines.join('\n')}\n`)
}
