// MNIST as videos of one frame, for the commands: y4m files without loss, and a list.
//   npx tsx scripts/mnist-videos.ts --out FOLDER [--train 60000] [--test 10000]
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Images, mnistFolder, readMnist, side } from './experiments/support/mnist/images.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    train: { type: 'string', default: '60000' },
    test: { type: 'string', default: '10000' },
  },
})
if (values.out === undefined) throw new Error('Expected --out FOLDER.')
const out = values.out

/** Gray of full range: what is decoded is what was written. */
const header = Buffer.from(`YUV4MPEG2 W${side} H${side} F1:1 Ip A1:1 Cmono XCOLORRANGE=FULL\nFRAME\n`)

function write({ data, labels }: Images, part: 'train' | 'test', count: number): string[] {
  mkdirSync(path.join(out, part), { recursive: true })
  return Array.from({ length: count }, (_, i) => {
    const file = `${part}/${String(i).padStart(5, '0')}.y4m`
    const picture = data.subarray(i * side * side, (i + 1) * side * side)
    writeFileSync(path.join(out, file), Buffer.concat([header, picture]))
    return `${file},${labels[i]},${part}`
  })
}

const folder = mnistFolder()
const rows = [
  ...write(readMnist(folder, 'train'), 'train', Number(values.train)),
  ...write(readMnist(folder, 't10k'), 'test', Number(values.test)),
]
writeFileSync(path.join(out, 'list.csv'), `path,label,split\n${rows.join('\n')}\n`)
console.log(`${rows.length} videos of one frame: ${path.join(out, 'list.csv')}`)
