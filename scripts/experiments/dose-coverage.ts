/**
 * How often the 90 % intervals of a lethal-dose study hold what many more subsets would give, by number of subsets and by how much
 * learners differ: the intervals of the program next to percentiles of resampled subsets.
 *
 *   npx tsx scripts/experiments/dose-coverage.ts [--runs 500] [--out dev/results/dose-coverage.csv]
 */
import { parseArgs } from 'node:util'
import { mean, meanInterval, sizeForAccuracy, sizeInterval } from '../../src/certify/dose/dose-intervals.ts'
import { RandomStream } from '../../src/model.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    out: { type: 'string', default: 'dev/results/dose-coverage.csv' },
  },
})
const runs = Number(values.runs)
const random = new RandomStream(9, 'coverage of doses')
const sizes = [5, 10, 20, 40, 80]
const wanted = 0.6
/** Mean accuracies of learners of these sizes. */
const curves = { steep: [0.3, 0.45, 0.65, 0.8, 0.88], 'reached at the end': [0.3, 0.4, 0.48, 0.55, 0.615] }

type Ends = readonly [number, number | null]
const percentiles = (values: number[]): Ends => {
  values.sort((a, b) => a - b)
  return [values[Math.floor(0.05 * values.length)], values[Math.floor(0.95 * values.length)]]
}
const resampled = (values: readonly number[]): number => mean(values.map(() => values[random.integer(values.length)]))
const holds = (ends: Ends | null, truth: number): boolean =>
  ends !== null && ends[0] <= truth + 1e-9 && truth - 1e-9 <= (ends[1] ?? Number.POSITIVE_INFINITY)

const table: ResultRow[] = []
for (const [name, curve] of Object.entries(curves))
  for (const subsets of [10, 20, 40])
    for (const deviation of [0.02, 0.08]) {
      const truth = sizeForAccuracy(sizes, curve, wanted) ?? Number.NaN
      const held = { mean: [0, 0], size: [0, 0], none: 0 }
      for (let run = 0; run < runs; run++) {
        // A share of 200 inputs. Skewed: some subsets lack a class and are far below the others.
        const drawn = curve.map((accuracy) =>
          Array.from({ length: subsets }, () => {
            const lacks = random.uniform() < 0.1 ? 2 : -2 / 9
            const value = accuracy + deviation * (0.8 * random.normal() - 0.9 * lacks)
            return Math.round(200 * Math.min(1, Math.max(0, value))) / 200
          }),
        )
        const again = (values: readonly number[]) => Array.from({ length: 500 }, () => resampled(values))
        const means: Ends[] = [meanInterval(drawn[2]), percentiles(again(drawn[2]))]
        for (const [way, ends] of means.entries()) if (holds(ends, curve[2])) held.mean[way]++
        if (sizeForAccuracy(sizes, drawn.map(mean), wanted) === null) {
          held.none++
          continue
        }
        const found = Array.from({ length: 500 }, () => sizeForAccuracy(sizes, drawn.map(resampled), wanted))
        const ends = [sizeInterval(sizes, drawn, wanted, random), percentiles(found.filter((size) => size !== null))]
        for (const [way, each] of ends.entries()) if (holds(each, truth)) held.size[way]++
      }
      const share = (times: number, of: number): string => (of === 0 ? '-' : (times / of).toFixed(3))
      const known = runs - held.none
      table.push({
        ...{ curve: name, subsets, deviation, 'mean is held': share(held.mean[0], runs) },
        ...{ 'by resampling': share(held.mean[1], runs), 'size is held': share(held.size[0], known) },
        ...{ 'size by resampling': share(held.size[1], known), 'runs that reach it': `${known} of ${runs}` },
      })
      console.error(
        Object.entries(table[table.length - 1])
          .map(([column, cell]) => `${column} ${cell}`)
          .join(', '),
      )
    }
writeResults(values.out, 'scripts/experiments/dose-coverage.ts', table)
