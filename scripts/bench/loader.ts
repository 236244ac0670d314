// The loader of training: whole batches a second, CPU and memory, next to decoding without a loader in one process and, with
// --against, next to the loader of another checkout (an earlier version). Sides take turns; ratios are medians over rounds of
// the ratio within a round. Run `npm run build` before, in every checkout: decoding processes start from dist/.
//   npx tsx scripts/bench/loader.ts [DIR] [--size 224] [--frames 16] [--stride 4] [--batch 32] [--samples 1] [--workers 2]
//     [--seconds 6] [--rounds 5] [--against CHECKOUT] [--json]
// Without DIR on 64 generated clips.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import type { LoaderCase, LoaderFigures } from './support/loader-side.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '224' },
    frames: { type: 'string', default: '16' },
    stride: { type: 'string', default: '4' },
    batch: { type: 'string', default: '32' },
    samples: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(os.availableParallelism()) },
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '5' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const root = path.join(import.meta.dirname, '../..')
const [size, frames, stride, batch, samples, workers, seconds, rounds] = [
  values.size,
  values.frames,
  values.stride,
  values.batch,
  values.samples,
  values.workers,
  values.seconds,
  values.rounds,
].map(Number)

const temporary = positionals.length === 0 ? mkdtempSync(path.join(os.tmpdir(), 'videomae-bench-')) : null
process.on('exit', () => temporary !== null && rmSync(temporary, { recursive: true, force: true }))
if (temporary !== null) await generateMotionDataset(temporary, { clips: 64, size: 256, frames: 96 })
const folder = path.resolve(positionals[0] ?? temporary!)

const common = { folder, size, frames, stride, batch, samples, workers, seconds }
const sides: readonly { readonly name: string; readonly side: LoaderCase }[] = [
  { name: 'loader', side: { ...common, root, kind: 'loader' } },
  { name: 'one process alone', side: { ...common, root, kind: 'alone' } },
  ...(values.against === undefined
    ? []
    : [
        {
          name: 'the other checkout',
          side: { ...common, root: path.resolve(values.against), kind: 'loader' } as const,
        },
      ]),
]

async function measure(side: LoaderCase): Promise<LoaderFigures> {
  const script = path.join(import.meta.dirname, 'support/loader-side.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, JSON.stringify(side)], {
    cwd: root,
  })
  return JSON.parse(stdout) as LoaderFigures
}

const measured = sides.map((): LoaderFigures[] => [])
for (let round = 0; round < rounds; round++) {
  // Turned round every time, so that no side always has the warmer machine.
  const order = sides.map((_, i) => (i + round) % sides.length)
  for (const i of order) measured[i].push(await measure(sides[i].side))
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
type Quantity = keyof LoaderFigures
const quantities: readonly (readonly [quantity: Quantity, name: string, digits: number])[] = [
  ['clipsPerSecond', 'clips/s', 1],
  ['firstBatch', 'ms to the first batch', 0],
  ['mainCpu', 'CPU us a clip, main process', 0],
  ['allCpu', 'CPU us a clip, all processes', 0],
  ['mainMemory', 'peak MiB, main process', 0],
  ['allMemory', 'peak MiB, all processes', 0],
]
const rows = quantities.map(([quantity, name, digits]) => {
  const of = (figures: readonly LoaderFigures[]): number | null => {
    const known = figures.map((one) => one[quantity]).filter((value) => value !== null)
    return known.length === 0 ? null : median(known)
  }
  const ratio = (i: number): number | null => {
    const pairs = measured[0].map((ours, round) => [ours[quantity], measured[i][round][quantity]] as const)
    const known = pairs.flatMap(([a, b]) => (a === null || b === null ? [] : [a / b]))
    return known.length === 0 ? null : median(known)
  }
  return { quantity, name, digits, medians: measured.map(of), ratios: sides.slice(1).map((_, i) => ratio(i + 1)) }
})
if (values.json) process.stdout.write(`${JSON.stringify({ ...common, sides: sides.map(({ name }) => name), rows })}\n`)
else {
  const shown = (value: number | null, digits: number): string => (value === null ? '-' : value.toFixed(digits))
  console.log(
    `${frames} frames of ${size} pixels, stride ${stride}, batches of ${batch}, ${samples} of each clip, ${workers} decoding processes`,
  )
  console.log(
    `| | ${sides.map(({ name }) => name).join(' | ')} | ${sides
      .slice(1)
      .map(({ name }) => `loader / ${name}`)
      .join(' | ')} |`,
  )
  console.log(`|---|${'---|'.repeat(2 * sides.length - 1)}`)
  for (const { name, digits, medians, ratios } of rows) {
    console.log(
      `| ${name} | ${medians.map((value) => shown(value, digits)).join(' | ')} | ${ratios.map((value) => shown(value, 2)).join(' | ')} |`,
    )
  }
}
