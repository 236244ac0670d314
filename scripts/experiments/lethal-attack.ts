// The other half of the Lethal Dose Conjecture (Wang, Levine and Feizi, NeurIPS 2022): attacks with about N / n poisoned samples that no
// learner survives. Each task has two worlds that answer one test input differently; the attack turns a training set of one world into
// one of the other, sample by sample, so that no learner can tell them apart. Below it: the radius that DPA certifies.
//   npx tsx scripts/experiments/lethal-attack.ts [--out dev/results/lethal-attack.csv] [--figure dev/images/lethal-attack.svg]
//     [--render] [--samples 10000] [--trials 20]
// --render: the figure from the CSV, without computing. About a minute of one core.
//
// A changed or relabeled sample counts as one poisoned sample, as with partitions by id. Learners abstain where they know nothing
// of the input.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { certifyTally } from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'
import { writeFigure } from '../support/figures.ts'
import { writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'dev/results/lethal-attack.csv' },
    figure: { type: 'string', default: 'dev/images/lethal-attack.svg' },
    render: { type: 'boolean', default: false },
    samples: { type: 'string', default: '10000' },
    trials: { type: 'string', default: '20' },
  },
})
const [total, trials] = [Number(values.samples), Number(values.trials)]

/** A training set as one test input sees it: what matters of each sample is a cell and a label, or a number. */
interface Sample {
  readonly cell: number
  readonly label: number
  readonly value: number
}

interface Task {
  readonly name: string
  /** What makes it hard: cells, or the inverse of the separation. */
  readonly hardness: number
  readonly classes: number
  /** What the two worlds answer. */
  readonly answers: readonly [clean: number, attacked: number]
  draw(stream: RandomStream): Sample
  /** The sample of the other world that this one becomes; the same one where it need not change. */
  turn(sample: Sample, stream: RandomStream): Sample
  /** The class that a learner gives to the test input; null where the samples say nothing of it. */
  learn(samples: readonly Sample[]): number | null
}

/** The most frequent label of a cell, ties to the smaller one; null without a sample. */
function majority(samples: readonly Sample[], cell: number, classes: number): number | null {
  const counts = new Int32Array(classes)
  for (const sample of samples) if (sample.cell === cell) counts[sample.label]++
  const most = Math.max(...counts)
  return most === 0 ? null : counts.indexOf(most)
}

/** `cells` equally likely inputs with labels of their own; the input is cell 0. The worlds differ in its label. */
const memorization = (cells: number): Task => ({
  ...{ name: 'memorization', hardness: cells, classes: 10, answers: [3, 7] },
  draw: (stream) => {
    const cell = stream.integer(cells)
    return { cell, label: cell === 0 ? 3 : cell % 10, value: 0 }
  },
  turn: (sample) => (sample.cell === 0 ? { ...sample, label: 7 } : sample),
  learn: (samples) => majority(samples, 0, 10),
})

/** As many classes as cells, each the label of one cell, which a learner knows. The worlds differ in two labels that are exchanged. */
const bijection = (cells: number): Task => ({
  ...{ name: 'bijection', hardness: cells, classes: cells, answers: [0, 1] },
  draw: (stream) => {
    const cell = stream.integer(cells)
    return { cell, label: cell, value: 0 }
  },
  turn: (sample) => (sample.cell < 2 ? { ...sample, label: 1 - sample.label } : sample),
  learn: (samples) => {
    const seen = majority(samples, 0, cells)
    if (seen !== null) return seen
    // The label that no other cell has.
    const taken = new Set(samples.map(({ label }) => label))
    return taken.size < cells - 1
      ? null
      : (Array.from({ length: cells }, (_, c) => c).find((c) => !taken.has(c)) ?? null)
  },
})

/**
 * Two classes, N(m, I) and N(-m, I). Of the samples, multiplied by their sign, only the part along the input counts: it is N(a, 1), and
 * N(-a, 1) in the world of the mirrored mean. The attack mirrors a sample z with probability 1 - exp(-2 a z), which makes one world of
 * the other.
 */
const gaussians = (inverse: number): Task => ({
  ...{ name: 'Gaussians', hardness: inverse, classes: 2, answers: [1, 0] },
  draw: (stream) => ({ cell: 0, label: 0, value: stream.normal() + 1 / inverse }),
  turn: (sample, stream) =>
    sample.value > 0 && stream.uniform() < 1 - Math.exp((-2 * sample.value) / inverse)
      ? { ...sample, value: -sample.value }
      : sample,
  learn: (samples) => (samples.length === 0 ? null : samples.reduce((sum, { value }) => sum + value, 0) > 0 ? 1 : 0),
})

const tasks: readonly Task[] = [
  ...[5, 10, 20, 50, 100, 200].map(memorization),
  ...[5, 10, 20, 50, 100, 200].map(bijection),
  ...[2, 4, 7, 10, 20, 30].map(gaussians),
]
const sizes = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000].filter(
  (n) => n <= total,
)

/** Votes of the learners of all partitions of `size` samples each. Samples are independent: the order is as good as a hash. */
function tallyOf(task: Task, samples: readonly Sample[], size: number): Int32Array {
  const counts = new Int32Array(task.classes)
  for (let from = 0; from + size <= samples.length; from += size) {
    const vote = task.learn(samples.slice(from, from + size))
    if (vote !== null) counts[vote]++
  }
  return counts
}

/** Columns of the file; the first three are those of every file in dev/results. */
const columns = [
  'task',
  'hardness',
  'N',
  'training sets',
  'n',
  'N/n',
  'best K',
  'certified radius',
  'attack',
  'other answer after the attack',
  'after half of it',
] as const
type Row = Readonly<Record<(typeof columns)[number], string | number>>

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)]

/** Samples with which a learner is right in 3 of 4 cases, guessing where it knows nothing, interpolated in the logarithm. */
function samplesNeeded(task: Task): number {
  let before: readonly [number, number] = [1, 0]
  for (const size of sizes) {
    const draws = 300
    let right = 0
    for (let i = 0; i < draws; i++) {
      const stream = new RandomStream('needed', task.name, task.hardness, size, i)
      const vote = task.learn(Array.from({ length: size }, () => task.draw(stream)))
      right += vote === null ? 1 / task.classes : vote === task.answers[0] ? 1 : 0
    }
    const accuracy = right / draws
    if (accuracy >= 0.75) {
      const [last, lower] = before
      if (size === 1 || accuracy === lower) return size
      return last * (size / last) ** ((0.75 - lower) / (accuracy - lower))
    }
    before = [size, accuracy]
  }
  return total
}

function measure(task: Task): Row {
  const needed = samplesNeeded(task)
  const radii = new Map<number, number[]>()
  const attacks: number[] = []
  let [defeated, half, asked] = [0, 0, 0]
  for (let trial = 0; trial < trials; trial++) {
    const stream = new RandomStream('lethal', task.name, task.hardness, trial)
    const clean = Array.from({ length: total }, () => task.draw(stream))
    const turned = clean.map((sample) => task.turn(sample, stream))
    const changed = clean.flatMap((sample, i) => (turned[i] === sample ? [] : [i]))
    attacks.push(changed.length)
    const some = new Set(changed.slice(0, Math.floor(changed.length / 2)))
    const partly = clean.map((sample, i) => (some.has(i) ? turned[i] : sample))
    for (const size of sizes) {
      const { prediction, radius } = certifyTally(tallyOf(task, clean, size))
      const mine = radii.get(size) ?? []
      mine.push(prediction === task.answers[0] ? radius : -1)
      radii.set(size, mine)
    }
    // One learner on everything, and ensembles.
    for (const size of [total, ...sizes]) {
      asked++
      if (certifyTally(tallyOf(task, turned, size)).prediction !== task.answers[0]) defeated++
      if (certifyTally(tallyOf(task, partly, size)).prediction !== task.answers[0]) half++
    }
  }
  const [size, radius] = [...radii].map(([n, all]) => [n, median(all)] as const).reduce((a, b) => (b[1] > a[1] ? b : a))
  const share = (count: number) => (count / asked).toFixed(3)
  return {
    ...{ task: task.name, hardness: task.hardness, N: total, 'training sets': trials, n: needed.toFixed(1) },
    ...{ 'N/n': (total / needed).toFixed(1), 'best K': Math.floor(total / size), 'certified radius': radius },
    attack: median(attacks),
    ...{ 'other answer after the attack': share(defeated), 'after half of it': share(half) },
  }
}

if (!values.render) {
  const rows = tasks.map((task) => {
    const row = measure(task)
    console.error(columns.map((name) => `${name} ${row[name]}`).join(', '))
    return row
  })
  writeResults(values.out, 'scripts/experiments/lethal-attack.ts', rows)
}

/** The figure says no more than the CSV. */
const [, ...lines] = readFileSync(values.out, 'utf8').trim().split('\n')
const rows = lines.map(
  (line) =>
    Object.fromEntries(
      line
        .split(',')
        .slice(3)
        .map((value, i) => [columns[i], value]),
    ) as Row,
)
const curvesOf = (name: string, color: number) => {
  const mine = rows.filter((row) => row.task === name).sort((a, b) => Number(a['N/n']) - Number(b['N/n']))
  const points = (column: 'attack' | 'certified radius') =>
    mine.map((row) => [Number(row['N/n']), Math.max(1, Number(row[column]))] as const)
  return [
    { name: `${name}: attack`, points: points('attack'), stroke: 'dashed' as const, color },
    { name: `${name}: certified`, points: points('certified radius'), color },
  ]
}
const names = [...new Set(rows.map(({ task }) => String(task)))]
writeFigure(values.figure, {
  title: `Lethal dose, N = ${rows[0].N}: what is certified, and what defeats every learner`,
  xLabel: 'N / n, n: samples with which one learner is right in 3 of 4 cases',
  yLabel: 'poisoned samples',
  xScale: 'log',
  yScale: 'log',
  curves: names.flatMap(curvesOf),
  width: 860,
})
console.log(`${values.out}, ${values.figure}`)
