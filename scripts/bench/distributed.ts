/**
 * What the sum of gradients over ranks costs: bytes per step and time, for the gradients of pretraining models.
 *
 *   npm run build
 *   mpirun -np 2 node --import tsx scripts/bench/distributed.ts [--rounds 9] [--sizes small,base,large,huge] [--csv] [--out FILE]
 *
 * The launcher decides what carries the data: Open MPI and MPICH take shared memory on one machine, and TCP with `--mca pml ob1 --mca btl self,tcp` and with
 * `UCX_TLS=tcp,self`.
 * Bus bandwidth is 2 (n - 1) / n times the bytes, over the time, as in the tests of NCCL. Between sums each rank copies the same bytes in its
 * memory: the ratio of the medians says more than times do where other work is next to.
 * --out: a CSV file in the form of dev/results/.
 */
import { parseArgs } from 'node:util'
import { openCommunicator } from '../../src/distributed/open-communicator.ts'
import { openReducer, valuesOf } from '../../src/distributed/reducer.ts'
import { openNcclCommunicator } from '../../src/engine/cuda/ranks/open.ts'
import { runConfiguration } from '../../src/index.ts'
import { parameterCount, parameterShapes } from '../../src/model.ts'
import { modelConfiguration } from '../../src/train/model-section.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    sizes: { type: 'string', default: 'small,base,large,huge' },
    csv: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
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

/** One row of the table, on rank 0. */
function print(...cells: readonly string[]): void {
  if (rank === 0)
    process.stdout.write(`${values.csv ? cells.join(',') : cells.map((cell) => cell.padEnd(15)).join(' ')}\n`)
}

const times = ['fastest ms', 'median ms', 'ms of a copy', 'sum / copy', 'GB/s on the bus']
const columns = ['library', 'ranks', 'model', 'parameters', 'MB a step', ...times]
const rows: ResultRow[] = []
print(...columns)
for (const preset of values.sizes.split(',')) {
  const { model } = runConfiguration({ model: { preset: preset as 'small' } })
  const parameters = parameterCount(parameterShapes(modelConfiguration(model, null), 'pretrain'))
  const [sums, copies]: [number[], number[]] = [[], []]
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
    sums.push(sum)
    copies.push(copied)
  }
  const best = Math.min(...sums)
  const megabytes = (parameters * 4) / 1e6
  const bus = ((2 * (size - 1)) / size) * (megabytes / 1e3 / (best / 1e3))
  const [sum, copied] = [median(sums), median(copies)]
  const cells = [
    ...[library, String(size), preset, `${(parameters / 1e6).toFixed(1)} M`, megabytes.toFixed(0)],
    ...[best, sum, copied].map((milliseconds) => milliseconds.toFixed(0)),
    ...[(sum / copied).toFixed(1), bus.toFixed(2)],
  ]
  print(...cells)
  rows.push(Object.fromEntries(columns.map((column, i) => [column, cells[i]])))
}
const launcher = `${size > 1 ? `mpirun -np ${size} ` : ''}node --import tsx`
if (rank === 0 && values.out !== undefined) writeResults(values.out, 'scripts/bench/distributed.ts', rows, { launcher })
await communicator.close()
