/**
 * How much of the time of a step would be training on several GPUs and machines: calculated from a measured step of one GPU, not measured.
 *
 *   npx tsx scripts/bench/cluster-efficiency.ts --step 28.3 [--preset base] [--overlap 0.67] [--csv] [--out FILE]
 *
 * --step: milliseconds of a step of one GPU. A sum of B bytes over n takes 2 (n - 1) / n * B / speed, with 360 GB/s between the GPUs of a machine and 11 GB/s
 * between machines (100 Gb/s; all GPUs of a machine share the cable, so the sum between machines is that of one gradient per machine).
 * --overlap: share of the step, its backward pass, that a sum can hide behind. --out: a CSV file in the form of dev/results/.
 */
import { parseArgs } from 'node:util'
import { runConfiguration } from '../../src/index.ts'
import { parameterCount, parameterShapes } from '../../src/model.ts'
import { modelConfiguration } from '../../src/train/model-section.ts'
import { percent } from '../support/percent.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    step: { type: 'string' },
    preset: { type: 'string', default: 'base' },
    overlap: { type: 'string', default: '0.67' },
    csv: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const [step, overlap] = [values.step, values.overlap].map(Number)
if (!(step > 0) || !(overlap >= 0 && overlap <= 1))
  throw new Error('Expected --step MILLISECONDS above 0 and --overlap from 0 to 1.')

/** Bytes a second. */
const insideMachine = 360e9
const betweenMachines = 11e9

const { model } = runConfiguration({ model: { preset: values.preset as 'base' } })
const bytes = 4 * parameterCount(parameterShapes(modelConfiguration(model, null), 'pretrain'))
const sum = (n: number, speed: number): number => (((2 * (n - 1)) / n) * bytes * 1e3) / speed
const rows: ResultRow[] = []
for (const machines of [1, 2, 4, 8, 16])
  for (const runs of [1, 4]) {
    const milliseconds = sum(8, insideMachine) + (machines === 1 ? 0 : sum(machines, betweenMachines))
    const work = step * runs
    // With several runs a step the sum comes behind the last one.
    const exposed = runs === 1 ? Math.max(0, milliseconds - overlap * step) : milliseconds
    const training = (waiting: number): string => percent(work / (work + waiting), 0)
    rows.push({
      ...{ model: values.preset, 'ms of a run': step, machines, GPUs: machines * 8, 'runs a step': runs },
      ...{ 'sum ms': milliseconds.toFixed(1), 'training without overlap %': training(milliseconds) },
      'training with overlap %': training(exposed),
    })
  }
const separator = values.csv ? ',' : '  '
for (const cells of [Object.keys(rows[0]), ...rows.map((row) => Object.values(row))]) console.log(cells.join(separator))
if (values.out !== undefined) writeResults(values.out, 'scripts/bench/cluster-efficiency.ts', rows)
