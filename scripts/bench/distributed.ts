/**
 * What the sum of gradients over ranks costs: bytes per step and time, for the gradients of pretraining models.
 *
 *   npm run build
 *   mpirun -np 2 node --import tsx scripts/bench/distributed.ts [--rounds 9] [--sizes small,base,large,huge]
 *
 * The launcher decides what carries the data: Open MPI takes shared memory on one machine, and TCP with `--mca btl self,tcp`.
 * Bus bandwidth is 2 (n - 1) / n times the bytes, over the time, as in the tests of NCCL. Between sums each rank copies the same bytes in its
 * memory: the ratio of the medians says more than times do where other work is beside.
 */
import { parseArgs } from 'node:util'
import { openCommunicator } from '../../src/distributed/open-communicator.ts'
import { openReducer, valuesOf } from '../../src/distributed/reducer.ts'
import { openNcclCommunicator } from '../../src/engine/cuda/ranks/open.ts'
import { parameterCount, parameterShapes } from '../../src/model/parameters.ts'
import { runConfiguration } from '../../src/train/configuration-file.ts'
import { modelConfiguration } from '../../src/train/model-section.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, sizes: { type: 'string', default: 'small,base,large,huge' } },
})

/** Floats of one piece: a model with more is summed in several, over the same memory. */
const piece = 2 ** 26

const communicator = await openCommunicator(openNcclCommunicator)
const { rank, size, library } = communicator
const reducer = openReducer(communicator.attachment)
const memory = new Float32Array(piece).fill(rank)
const copy = new Float32Array(piece)

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]
}

if (rank === 0)
  process.stdout.write(
    `${library}, ${size} ranks\nmodel   parameters   MB a step   best ms   median ms   copy ms   ratio   GB/s on the bus\n`,
  )
for (const preset of values.sizes.split(',')) {
  const { model } = runConfiguration({ model: { preset: preset as 'small' } })
  const parameters = parameterCount(parameterShapes(modelConfiguration(model, null), 'pretrain'))
  const [times, copies]: [number[], number[]] = [[], []]
  const eachPiece = (work: (part: Float32Array) => void): number => {
    const began = performance.now()
    for (let first = 0; first < parameters; first += piece)
      work(memory.subarray(0, Math.min(piece, parameters - first)))
    return performance.now() - began
  }
  for (let round = 0; round <= Number(values.rounds); round++) {
    await communicator.barrier()
    const sum = eachPiece((part) => reducer.sum([valuesOf(part)]))
    const copied = eachPiece((part) => copy.set(part))
    if (round === 0) continue
    times.push(sum)
    copies.push(copied)
  }
  const best = Math.min(...times)
  const megabytes = (parameters * 4) / 1e6
  const bus = ((2 * (size - 1)) / size) * (megabytes / 1e3 / (best / 1e3))
  const row = [preset.padEnd(7), (parameters / 1e6).toFixed(1).padStart(8), 'M', megabytes.toFixed(0).padStart(11)]
  const [sum, copied] = [median(times), median(copies)]
  const rest = [
    ...[best.toFixed(0).padStart(9), sum.toFixed(0).padStart(11), copied.toFixed(0).padStart(9)],
    ...[(sum / copied).toFixed(1).padStart(7), bus.toFixed(2).padStart(16)],
  ]
  if (rank === 0) process.stdout.write(`${[...row, ...rest].join(' ')}\n`)
}
await communicator.close()
