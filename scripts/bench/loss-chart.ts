/**
 * The loss curve of a pretraining run as an SVG, next to the loss of predicting the mean:
 *
 *     npx tsx scripts/bench/loss-chart.ts <run folder> [--title "Demo: loss on normalized pixels"] [--out loss.svg]
 *
 * `docs/images/loss.svg` is that of `videomae demo`; `docs/images/reconstruction.png` is its `reconstruction-1.png`.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { invalidArgument } from '../../src/core/errors.ts'
import { readHistory } from '../../src/train/history.ts'
import { writeFigure } from '../support/figures.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    title: { type: 'string', default: 'Loss on normalized pixels' },
    out: { type: 'string', default: 'loss.svg' },
  },
})
const [run] = positionals
if (run === undefined) throw invalidArgument('run', 'the folder of a pretraining run', run)

const lines = await readHistory(path.join(run, 'metrics.jsonl'))
/** Points of a key of `metrics.jsonl`; lines without a number there are left out. */
const pointsOf = (key: string): [number, number][] =>
  lines.flatMap(({ step, [key]: value }) =>
    typeof step === 'number' && typeof value === 'number' ? [[step, value] as [number, number]] : [],
  )
const loss = pointsOf('loss')
if (loss.length === 0) throw invalidArgument('run', 'a folder with a metrics.jsonl that has losses', run)
const mean = pointsOf('meanLoss')
const highest = Math.max(...loss.map(([, value]) => value), ...mean.map(([, value]) => value))
const chart = {
  title: values.title,
  xLabel: 'step',
  yLabel: 'loss',
  curves: [
    { name: 'training loss', points: loss },
    ...(mean.length === 0 ? [] : [{ name: 'mean prediction', points: mean, stroke: 'dashed' as const }]),
  ],
  yRange: [0, highest] as const,
  height: 320,
}
writeFigure(values.out, chart, 'docs/images/loss.svg')
process.stdout.write(`wrote ${values.out}: ${loss.length} points\n`)
