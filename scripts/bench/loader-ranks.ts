/**
 * How the loader scales with ranks: clips a second that all ranks decode together, agreements about bad files included.
 *
 *   npm run build
 *   mpirun -np 2 node --import tsx scripts/bench/loader-ranks.ts [VIDEOS] [--workers 1] [--batch 32] [--size 224] [--frames 16] [--stride 4] [--seconds 10] [--out FILE]
 *
 * --workers: decoding processes of each rank. --batch: clips of all ranks. Without mpirun: one rank. Without VIDEOS on 64 generated clips. Prints one row.
 * --out: a CSV file in the form of dev/results/.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openCommunicator } from '../../src/distributed/open-communicator.ts'
import { Ranks } from '../../src/distributed/ranks.ts'
import { openNcclCommunicator } from '../../src/engine/cuda/ranks/open.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { loaderShare } from '../../src/train/pretrain-data.ts'
import { createLoader, listVideos } from '../../src/video.ts'
import { writeResults } from '../support/results-file.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: 'string', default: '1' },
    batch: { type: 'string', default: '32' },
    size: { type: 'string', default: '224' },
    frames: { type: 'string', default: '16' },
    stride: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '10' },
    out: { type: 'string' },
  },
})
const [workers, batch, size, frames, stride, seconds] = [
  values.workers,
  values.batch,
  values.size,
  values.frames,
  values.stride,
  values.seconds,
].map(Number)

/** Batches that take new memory, which costs once. */
const warmUp = 3

const ranks = await Ranks.meet(await openCommunicator(openNcclCommunicator))
let folder = positionals[0]
let made: string | null = null
if (folder === undefined) {
  made = mkdtempSync(path.join(os.tmpdir(), 'videomae-bench-'))
  await generateMotionDataset(made, { clips: 64, size: 256, frames: 96 })
  folder = made
}
const share = loaderShare({ clipsPerRun: batch / ranks.size, runsPerStep: 1, ranks })
const loader = createLoader({
  entries: listVideos(folder),
  sampling: { kind: 'strided', frames, stride },
  size,
  samplesPerClip: 1,
  batchSize: batch,
  seed: 0,
  workers,
  ...(ranks.size > 1 && { share }),
})
let [loaded, began] = [0, 0]
for await (const { release } of loader.batches()) {
  release?.()
  if (++loaded === warmUp) began = performance.now()
  // All ranks end at the same batch.
  const wanted = loaded > warmUp && performance.now() - began > seconds * 1000
  if ((await ranks.fromFirst(wanted)) === true) break
}
const clips = ((loaded - warmUp) * batch) / ((performance.now() - began) / 1000)
await loader.close()
if (ranks.rank === 0) {
  process.stdout.write(`${ranks.size},${workers},${clips.toFixed(1)}\n`)
  const row = {
    ...{ library: ranks.communicator.library, ranks: ranks.size, 'decoding processes of a rank': workers },
    'clips/s of all ranks': clips.toFixed(1),
  }
  const launcher = `${ranks.size > 1 ? `mpirun -np ${ranks.size} ` : ''}node --import tsx`
  if (values.out !== undefined) writeResults(values.out, 'scripts/bench/loader-ranks.ts', [row], { launcher })
}
if (made !== null) rmSync(made, { recursive: true })
await ranks.communicator.close()
