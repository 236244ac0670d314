/**
 * How often 95 % intervals of balanced accuracy hold the true value, by number of groups, and how wide they are: the interval of the
 * program next to a bootstrap over groups.
 *
 *   npx tsx scripts/experiments/interval-coverage.ts [--runs 300] [--out dev/results/interval-coverage.csv]
 *
 * A row of the file is the mean and the least over nine cases: three recalls, and three shares of what videos of a group have in common.
 */
import { parseArgs } from 'node:util'
import { type BalancedRows, balancedAccuracy } from '../../src/inference/balanced-interval.ts'
import { RandomStream } from '../../src/model.ts'
import { betaQuantile } from '../../src/numeric/distributions.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '300' },
    out: { type: 'string', default: 'dev/results/interval-coverage.csv' },
  },
})
const runs = Number(values.runs)
const resamples = 300
const random = new RandomStream(7, 'interval coverage')

/** Class and group of each video. */
type Design = (groups: number) => { readonly class: number; readonly group: number }[]
const each = (groups: number, sizeOf: (group: number) => number, classOf: (group: number, i: number) => number) =>
  Array.from({ length: groups }, (_, group) =>
    Array.from({ length: sizeOf(group) }, (_, i) => ({ class: classOf(group, i), group })),
  ).flat()
const designs: readonly (readonly [name: string, design: Design])[] = [
  [
    'each group has 8 videos of 4 classes',
    (groups) =>
      each(
        groups,
        () => 8,
        (_, i) => i % 4,
      ),
  ],
  [
    'each group has 6 videos of one of 2 classes',
    (groups) =>
      each(
        groups,
        () => 6,
        (group) => group % 2,
      ),
  ],
  [
    'groups of 2 to 14 videos, 3 uneven classes',
    (groups) =>
      each(
        groups,
        (group) => 2 + ((5 * group) % 13),
        (group, i) => ((i * i + group) % 7 < 4 ? 0 : ((i + group) % 2) + 1),
      ),
  ],
  [
    'every video a group of its own, classes 3 to 1',
    (groups) =>
      each(
        groups,
        () => 1,
        (group) => (group % 4 >= 2 ? 1 : 0),
      ),
  ],
]

/** Standard normal value that is not exceeded with this probability: from the symmetric beta distribution of many draws. */
const normalQuantile = (probability: number): number => (betaQuantile(probability, 5e5, 5e5) - 0.5) * 2 * Math.sqrt(1e6)

function bootstrap(rows: BalancedRows): { low: number; high: number } {
  const { groups } = rows
  const values = Array.from({ length: resamples }, () => {
    const drawn = groups.flatMap(() => groups[random.integer(groups.length)])
    return balancedValue(drawn, rows)
  }).sort((a, b) => a - b)
  return { low: values[Math.floor(0.025 * resamples)], high: values[Math.floor(0.975 * resamples)] }
}

function balancedValue(drawn: readonly number[], { truth, right, classes }: BalancedRows): number {
  const [found, total] = [new Float64Array(classes), new Float64Array(classes)]
  for (const i of drawn) {
    found[truth[i]] += right[i]
    total[truth[i]]++
  }
  const recalls = [...found.keys()].filter((c) => total[c] > 0).map((c) => found[c] / total[c])
  return recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length
}

/** How often an interval holds the true value, mean and least, and its mean width. */
function columnsOf(
  cases: readonly { readonly held: readonly number[]; readonly width: readonly number[] }[],
  way: number,
  name: string,
): ResultRow {
  const [held, width] = [cases.map((each) => each.held[way]), cases.map((each) => each.width[way])]
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    [`${name} holds`]: mean(held).toFixed(3),
    [`${name} holds, least`]: Math.min(...held).toFixed(3),
    [`width of ${name}`]: mean(width).toFixed(2),
  }
}

const table: ResultRow[] = []
for (const [name, design] of designs) {
  for (const count of [3, 5, 9, 20]) {
    const videos = design(count)
    const classes = 1 + Math.max(...videos.map((video) => video.class))
    const groups = Array.from({ length: count }, (_, g) => videos.flatMap(({ group }, i) => (group === g ? [i] : [])))
    const present = [...new Set(videos.map((video) => video.class))]
    const cases: { readonly held: readonly number[]; readonly width: readonly number[] }[] = []
    for (const middle of [0.5, 0.8, 0.95]) {
      const spread = middle === 0.5 ? 0.3 : 0.04
      const recalls = Array.from({ length: classes }, (_, c) => middle + (c % 2 === 0 ? spread : -spread))
      const truth = present.reduce((sum, c) => sum + recalls[c], 0) / present.length
      const limits = recalls.map(normalQuantile)
      for (const together of [0, 0.3, 0.9]) {
        const [held, width] = [
          [0, 0],
          [0, 0],
        ]
        for (let run = 0; run < runs; run++) {
          const shift = groups.map(() => random.normal())
          const right = videos.map(({ class: c, group }) =>
            Math.sqrt(together) * shift[group] + Math.sqrt(1 - together) * random.normal() < limits[c] ? 1 : 0,
          )
          const rows = { truth: videos.map((video) => video.class), right, classes, groups }
          for (const [way, { low, high }] of [balancedAccuracy(rows), bootstrap(rows)].entries()) {
            if (low <= truth + 1e-12 && truth - 1e-12 <= high) held[way]++
            width[way] += high - low
          }
        }
        cases.push({ held: held.map((times) => times / runs), width: width.map((sum) => sum / runs) })
        const [own, resampled] = held.map((times) => times / runs)
        console.log(
          `${name.padEnd(48)} ${String(count).padStart(2)} groups, recall ${middle}, in common ${together}: ` +
            `holds ${own.toFixed(3)}, width ${(width[0] / runs).toFixed(2)}; bootstrap ${resampled.toFixed(3)}, ${(width[1] / runs).toFixed(2)}`,
        )
      }
    }
    table.push({ design: name, groups: count, ...columnsOf(cases, 0, 'interval'), ...columnsOf(cases, 1, 'bootstrap') })
  }
}
writeResults(values.out, 'scripts/experiments/interval-coverage.ts', table)
