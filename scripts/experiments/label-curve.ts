// How many labels does it take? Balanced accuracy of ridge heads with few labels of each class, on readouts of a pretrained encoder, of
// the same model with fresh weights and of patches without a network.
//   npx tsx scripts/experiments/label-curve.ts LIST --encoder DIR[,DIR...] [--labels 1,2,5,10,25,100] [--readouts mean,motion:3]
//     [--draws 20] [--hold-out fold] [--group group] [--clips 3] [--stride 2] [--lambda 1] [--seed 0] [--out checkpoints/label-curve]
//     [--threads 2]
// LIST as for readout.ts. For each draw and each part that is held out, so many videos of each class are drawn among the other
// parts, the same for all rows of the table. A video is one row: the mean over its clips. Values are standardized by all videos of
// the other parts, without labels; lambda for each training row; nothing is tuned. Intervals: 95 %, bootstrap over groups and
// draws, for differences with the same groups and draws for both. Writes label-curve.csv and over-pixels.csv, the differences to patches, in the form of dev/results/. Features are computed once and kept.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { computeFeatures, openEncoder } from '../../src/index.ts'
import { freshEncoder, patchSource, type TokenSource } from '../../src/inference/encoder-source.ts'
import { RandomStream, readoutName } from '../../src/model.ts'
import { oneHot, solvePositiveDefinite } from '../../src/numeric/linear-algebra.ts'
import { gramOfRows } from '../../src/numeric/ridge.ts'
import { Matmul } from '../../src/numeric/wasm/matmul.ts'
import { clipTiming } from '../../src/train/clip-timing.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'
import {
  balanced,
  drawsOf,
  interval,
  meanRows,
  type Rows,
  readList,
  standardizedRows,
} from './support/readout-heads.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    encoder: { type: 'string' },
    labels: { type: 'string', default: '1,2,5,10,25,100' },
    readouts: { type: 'string', default: 'mean,motion:3' },
    draws: { type: 'string', default: '20' },
    'hold-out': { type: 'string', default: 'fold' },
    group: { type: 'string', default: 'group' },
    clips: { type: 'string', default: '3' },
    stride: { type: 'string' },
    lambda: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    out: { type: 'string', default: path.join('checkpoints', 'label-curve') },
    threads: { type: 'string', default: '2' },
  },
})
const [list] = positionals
if (list === undefined || values.encoder === undefined) throw new Error('Expected LIST and --encoder DIR.')
const { out } = values
const [clips, threads, lambda, seed] = [values.clips, values.threads, values.lambda, values.seed].map(Number)
const { videos, classes } = readList(list, { part: values['hold-out'], group: values.group })
const parts = [...new Set(videos.map(({ part }) => part))]
mkdirSync(out, { recursive: true })

/** How many videos of each class every part can be given from the others, at most. */
const most = Math.min(
  ...parts.flatMap((part) => classes.map((_, c) => videos.filter((v) => v.part !== part && v.class === c).length)),
)
const counts = [...new Set(values.labels.split(',').map((count) => Math.min(Number(count), most)))]
const drawn = Array.from({ length: Number(values.draws) }, (_, draw) => draw)

/** Videos of other parts in an order that fewer labels take the beginning of, class by class. */
function order(part: string, draw: number): readonly (readonly number[])[] {
  const random = new RandomStream(seed, `label curve ${part} ${draw}`)
  return classes.map((_, c) => {
    const left = videos.flatMap((video, v) => (video.part !== part && video.class === c ? [v] : []))
    return random.shuffle(left)
  })
}

async function rowsOf(source: TokenSource, readout: string): Promise<Rows> {
  const options = { kind: 'pooled' as const, readout, cache: path.join(out, 'store'), clips, batch: 1, threads }
  const { failures, videos: found, store } = await computeFeatures(source, videos, options)
  if (failures.length > 0) throw new Error(`Expected readable videos: ${failures[0].reason}`)
  const rows: Float32Array[] = []
  const owners: number[] = []
  for (const [v, { digest }] of found.entries()) {
    const all = await store.read(digest)
    for (let from = 0; from < all.length; from += store.width) {
      rows.push(all.subarray(from, from + store.width))
      owners.push(v)
    }
  }
  return meanRows({ width: store.width, owners, rows }, videos.length)
}

/** [draws][videos] what heads answer that were given so many labels, for each number of them. */
function answersOf(rows: Rows): ReadonlyMap<number, readonly Int32Array[]> {
  const found = new Map(counts.map((count) => [count, drawn.map(() => new Int32Array(videos.length))]))
  for (const part of parts) {
    const inputs = standardizedRows(rows, (v) => videos[v].part !== part)
    const { gram, stride } = gramOfRows(new Matmul('f64'), inputs, videos.length, rows.width + 1)
    for (const draw of drawn) {
      const ordered = order(part, draw)
      for (const count of counts) {
        const train = ordered.flatMap((ofClass) => ofClass.slice(0, count))
        const n = train.length
        const system = new Float64Array(n * n)
        for (const [i, a] of train.entries()) {
          for (const [j, b] of train.entries()) system[i * n + j] = gram[a * stride + b] + (i === j ? lambda * n : 0)
        }
        const alphas = oneHot(
          Int32Array.from(train, (v) => videos[v].class),
          classes.length,
        )
        solvePositiveDefinite(system, n, n, alphas, classes.length)
        for (const [v, video] of videos.entries()) {
          if (video.part !== part) continue
          const scores = classes.map((_, c) =>
            train.reduce((sum, a, i) => sum + gram[v * stride + a] * alphas[i * classes.length + c], 0),
          )
          found.get(count)![draw][v] = scores.indexOf(Math.max(...scores))
        }
      }
    }
  }
  return found
}

const weights = drawsOf(videos, seed)
const random = new RandomStream(seed, 'label curve draws')
const resampled = weights.map(() => drawn.map(() => random.integer(drawn.length)))
const ones = new Int32Array(videos.length).fill(1)

/** Mean balanced accuracy over draws, and of each bootstrap sample. */
function scoresOf(answers: readonly Int32Array[]): { readonly value: number; readonly sample: readonly number[] } {
  const right = answers.map((found) => Array.from(found, (c, v) => c === videos[v].class))
  const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length
  const value = mean(right.map((row) => balanced(row, ones, videos, classes.length)))
  // Balanced accuracy is linear in how often a video is right but for the counts of the classes, which the draws share.
  const sample = weights.map((weight, s) => {
    const share = videos.map((_, v) => mean(resampled[s].map((draw) => (right[draw][v] ? 1 : 0))))
    const [hits, all] = [new Float64Array(classes.length), new Float64Array(classes.length)]
    for (const [v, { class: c }] of videos.entries()) {
      all[c] += weight[v]
      hits[c] += weight[v] * share[v]
    }
    const recalls = [...all].flatMap((total, c) => (total === 0 ? [] : [hits[c] / total]))
    return mean(recalls)
  })
  return { value, sample }
}

const opened = await Promise.all(values.encoder.split(',').map(openEncoder))
const [first] = opened
const sampling = {
  ...first.sampling,
  ...clipTiming({ stride: values.stride === undefined ? undefined : Number(values.stride) }, first.sampling),
}
const sources: readonly (readonly [string, TokenSource])[] = [
  ['pixels', patchSource(sampling)],
  ['fresh', freshEncoder(first.configuration, sampling, seed)],
  ...opened.map((each) => [path.basename(each.from), { ...each, sampling }] as const),
]
const number = (value: number): string => value.toFixed(3)
const spread = (value: number, [low, high]: readonly [number, number]): string =>
  `${number(value)} [${number(low)}, ${number(high)}]`
const table: ResultRow[] = []
const overPixels: ResultRow[] = []
for (const readout of values.readouts.split(',').map((text) => readoutName(text))) {
  const base = new Map<number, readonly number[]>()
  for (const [name, source] of sources) {
    const found = answersOf(await rowsOf(source, readout))
    const [accuracies, gains]: [[string, string][], [string, string][]] = [[], []]
    for (const [count, answers] of found) {
      const { value, sample } = scoresOf(answers)
      const [low, high] = interval(sample)
      if (name === 'pixels') base.set(count, sample)
      const pixels = base.get(count)!
      const gain = sample.map((score, i) => score - pixels[i])
      accuracies.push([String(count), spread(value, [low, high])])
      gains.push([String(count), spread(mean(gain), interval(gain))])
    }
    table.push({ readout, tokens: name, ...Object.fromEntries(accuracies) })
    if (name !== 'pixels') overPixels.push({ readout, tokens: name, ...Object.fromEntries(gains) })
    console.error([readout, name, ...accuracies.map(([, cell]) => cell)].join(', '))
  }
}
function mean(of: readonly number[]): number {
  return of.reduce((a, b) => a + b, 0) / of.length
}
const script = 'scripts/experiments/label-curve.ts'
const columns = ['readout', 'tokens', ...counts.map(String)]
writeResults(path.join(out, 'label-curve.csv'), script, table, { columns })
writeResults(path.join(out, 'over-pixels.csv'), script, overPixels, { columns })
console.log(`${videos.length} videos, ${drawn.length} draws, ${clips} clips; written to ${out}`)
