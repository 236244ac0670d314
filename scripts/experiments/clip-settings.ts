// Which frames, and how large, matter more than the weights? Balanced accuracy of ridge heads on readouts of patches without a network
// (`pixels`) and of an encoder with fresh weights, over clips of several lengths, strides and sizes; with --trusted also certificates.
//   npx tsx scripts/experiments/clip-settings.ts LIST --settings 8x2x48,16x2x48,16x4x64 [--clips 3] [--sources pixels,fresh,pretrained]
//     [--encoder DIR] [--readouts motion:3,motion-rms:3,motion:6] [--hold-out fold] [--group group] [--trusted VIDEOS --partitions 25,45 --divisions 8]
//     [--out checkpoints/clip-settings] [--lambda 1] [--head-lambda 0.1,0.01] [--seed 0] [--threads 2]
// A setting is FRAMES x STRIDE x PIXELS; `whole` as the stride spreads the frames over the whole video. A video is one
// row: the mean over its clips. The last row chooses setting and readout for each part by the accuracy of heads on the other
// parts, with each of them held out in turn. Certificates: DPA, buckets by content, ridge heads as `certify` trains
// them on rows that --trusted standardizes, one poisoned sample is a video; radii count 0 where the answer is wrong. Which videos
// share a bucket is chance and moves the mean radius by a third: it is told as the mean, the least and the most over --divisions,
// the first of which is by the content as it is. A pretrained encoder has its own frames and size; of a setting it takes the
// stride. Writes clip-settings.csv and certificates.csv of the folder, in the form of dev/results/.
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bucketOfDigest, sha256 } from '../../src/certify/ensemble/hash.ts'
import { type FeatureScale, measureScale } from '../../src/certify.ts'
import { computeFeatures, openEncoder } from '../../src/index.ts'
import { freshEncoder, type PatchSource, patchSource, type TokenSource } from '../../src/inference/encoder-source.ts'
import type { TestSampling } from '../../src/inference/views.ts'
import { readoutName, readoutWidth, resolveConfiguration, tokenGrid } from '../../src/model.ts'
import { oneHot, solvePositiveDefinite } from '../../src/numeric/linear-algebra.ts'
import { gramOfRows } from '../../src/numeric/ridge.ts'
import { Matmul } from '../../src/numeric/wasm/matmul.ts'
import { listVideos } from '../../src/video.ts'
import { percent } from '../support/percent.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'
import { answers, balanced, drawsOf, interval, meanRows, type Rows, readList } from './support/readout-heads.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    settings: { type: 'string', default: '8x2x48' },
    clips: { type: 'string', default: '3' },
    sources: { type: 'string', default: 'pixels,fresh' },
    readouts: { type: 'string', default: 'motion:3,motion-rms:3,motion:6' },
    'hold-out': { type: 'string', default: 'fold' },
    group: { type: 'string', default: 'group' },
    trusted: { type: 'string' },
    partitions: { type: 'string', default: '25,45' },
    out: { type: 'string', default: path.join('checkpoints', 'clip-settings') },
    lambda: { type: 'string', default: '1' },
    divisions: { type: 'string', default: '8' },
    'head-lambda': { type: 'string', default: '0.1,0.01' },
    encoder: { type: 'string' },
    seed: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
  },
})
const [list] = positionals
if (list === undefined) throw new Error('Expected LIST.')
const { out } = values
const [clips, threads, lambda, seed] = [values.clips, values.threads, values.lambda, values.seed].map(Number)
const readouts = values.readouts.split(',').map((text) => readoutName(text))
const sideBySide = readouts.join('+')
const { videos, classes } = readList(list, { part: values['hold-out'], group: values.group })
const trusted = values.trusted === undefined ? null : listVideos([values.trusted])
const parts = [...new Set(videos.map(({ part }) => part))]
const opened = values.encoder === undefined ? null : await openEncoder(values.encoder)
mkdirSync(out, { recursive: true })

/** What tokens come from, and how many values one has. */
function sourceOf(name: string, setting: string): { readonly source: TokenSource; readonly width: number } {
  const [frames, stride, size] = setting.split('x')
  const sampling: TestSampling =
    stride === 'whole'
      ? { kind: 'segments', stride: 1, fps: null }
      : { kind: 'dense', stride: Number(stride), fps: null }
  if (name === 'pretrained') {
    if (opened === null) throw new Error('Expected --encoder DIR for the source pretrained.')
    return { source: { ...opened, sampling }, width: opened.configuration.encoder.width }
  }
  const sizes = { frames: Number(frames), imageSize: [Number(size), Number(size)] as const }
  if (name === 'pixels') {
    const pixels = patchSource(sampling)
    const configuration: PatchSource['configuration'] = { ...pixels.configuration, ...sizes }
    return { source: { ...pixels, configuration }, width: 2 * 8 * 8 * 3 }
  }
  // The sizes of the recipe `laptop-pretrain`.
  const encoder = { width: 128, depth: 4, heads: 4 }
  const configuration = resolveConfiguration({ ...sizes, patch: 8, tubelet: 2, encoder, positions: 'factored' })
  return { source: freshEncoder(configuration, sampling, seed), width: encoder.width }
}

interface Featured {
  /** One row for each video, of each readout. */
  readonly rows: ReadonlyMap<string, Rows>
  /** One row for each clip. */
  readonly each: ReadonlyMap<string, Rows>
  readonly digests: readonly string[]
}

/** Rows of each readout; videos are decoded once for all of them. */
async function rowsOf(
  name: string,
  setting: string,
  listed: readonly { path: string; id: string }[],
): Promise<Featured> {
  const { source, width } = sourceOf(name, setting)
  const cache = path.join(out, 'store')
  const options = { kind: 'pooled' as const, readout: sideBySide, cache, clips, batch: 1, threads }
  const computed = await computeFeatures(source, listed, options)
  if (computed.failures.length > 0) throw new Error(`Expected readable videos: ${computed.failures[0].reason}`)
  const all: Float32Array[] = []
  const owners: number[] = []
  const digests: string[] = []
  for (const [v, { digest }] of computed.videos.entries()) {
    const stored = await computed.store.read(digest)
    digests.push(digest)
    for (let from = 0; from < stored.length; from += computed.store.width) {
      all.push(stored.subarray(from, from + computed.store.width))
      owners.push(v)
    }
  }
  let from = 0
  const [rows, each] = [new Map<string, Rows>(), new Map<string, Rows>()]
  for (const readout of readouts) {
    const start = from
    from += readoutWidth(readout, tokenGrid(source.configuration), width)
    const end = from
    const ofReadout = all.map((row) => row.slice(start, end))
    const clipRows = { width: end - start, owners, rows: ofReadout }
    each.set(readout, clipRows)
    rows.set(readout, meanRows(clipRows, listed.length))
  }
  return { rows, each, digests }
}

/** How a video becomes rows to train on and the row to predict: its middle clip, all clips, or their mean. */
const uses = [
  { name: 'middle clip', train: 'middle', test: 'middle' },
  { name: 'all clips / middle predicted', train: 'each', test: 'middle' },
  { name: 'all clips / mean predicted', train: 'each', test: 'mean' },
] as const

/** Inner products of all rows of unit length, and of their means behind them, with 1 for the bias. */
function products({ width, rows }: Rows, scale: FeatureScale) {
  const means = meanRows({ width, rows, owners: rows.map((_, i) => Math.floor(i / clips)) }, videos.length).rows
  const all = [...rows, ...means]
  const inputs = new Float64Array(all.length * (width + 1))
  for (const [i, row] of all.entries()) {
    const scaled = Array.from(row, (value, k) => (value - scale.mean[k]) / scale.deviation[k])
    const length = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0))
    for (let k = 0; k < width; k++) inputs[i * (width + 1) + k] = scaled[k] / length
    inputs[i * (width + 1) + width] = 1
  }
  return gramOfRows(new Matmul('f64'), inputs, all.length, width + 1)
}

/** [videos to predict] the class that a ridge head answers that was trained on some videos. */
function votes(
  { gram, stride }: ReturnType<typeof products>,
  { train, test }: (typeof uses)[number],
  [seen, predicted]: readonly [readonly number[], readonly number[]],
  ridge: number,
): number[] {
  const middle = Math.floor(clips / 2)
  const rows = seen.flatMap((v) =>
    train === 'middle' ? [v * clips + middle] : Array.from({ length: clips }, (_, i) => v * clips + i),
  )
  const n = rows.length
  const system = new Float64Array(n * n)
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of rows.entries()) system[i * n + j] = gram[a * stride + b] + (i === j ? ridge : 0)
  }
  const perVideo = n / seen.length
  const labels = Int32Array.from(rows, (_, i) => videos[seen[Math.floor(i / perVideo)]].class)
  const alphas = oneHot(labels, classes.length)
  solvePositiveDefinite(system, n, n, alphas, classes.length)
  return predicted.map((v) => {
    const at = test === 'middle' ? v * clips + middle : videos.length * clips + v
    const scores = classes.map((_, c) =>
      rows.reduce((sum, a, i) => sum + gram[at * stride + a] * alphas[i * classes.length + c], 0),
    )
    return scores.indexOf(Math.max(...scores))
  })
}

/** DPA over all parts, each predicted by learners that saw none of it, in one division into buckets. */
function divided(
  rows: ReturnType<typeof products>,
  use: (typeof uses)[number],
  bucketOf: readonly number[],
  partitions: number,
  ridge: number,
) {
  const sums = { single: 0, ensemble: 0, radius: 0 }
  for (const part of parts) {
    const predicted = videos.flatMap((video, v) => (video.part === part ? [v] : []))
    const ballots = predicted.map(() => new Int32Array(classes.length))
    for (let k = 0; k < partitions; k++) {
      const seen = videos.flatMap((video, v) => (video.part !== part && bucketOf[v] === k ? [v] : []))
      const voted = seen.length === 0 ? predicted.map(() => 0) : votes(rows, use, [seen, predicted], ridge)
      for (const [i, vote] of voted.entries()) {
        ballots[i][vote]++
        if (vote === videos[predicted[i]].class) sums.single += 1 / (partitions * videos.length)
      }
    }
    for (const [i, ballot] of ballots.entries()) {
      const winner = ballot.indexOf(Math.max(...ballot))
      if (winner !== videos[predicted[i]].class) continue
      const gaps = [...ballot].flatMap((count, c) =>
        c === winner ? [] : [ballot[winner] - count - (c < winner ? 1 : 0)],
      )
      sums.ensemble += 1 / videos.length
      sums.radius += Math.floor(Math.min(...gaps) / 2) / videos.length
    }
  }
  return sums
}

/** Rows of a table: each use of clips and strength over several divisions, with a column for each number of buckets. */
function certificates(about: ResultRow, rows: Rows, digests: readonly string[], scale: FeatureScale): ResultRow[] {
  const computed = products(rows, scale)
  return uses.flatMap((use) =>
    values['head-lambda'].split(',').map((ridge) => {
      const cells = values.partitions.split(',').map((k) => {
        const divisions = Array.from({ length: Number(values.divisions) }, (_, division) => {
          const keys = digests.map((digest) => (division === 0 ? digest : sha256(`${division} ${digest}`)))
          const bucketOf = keys.map((key) => bucketOfDigest(key, Number(k)))
          return divided(computed, use, bucketOf, Number(k), Number(ridge))
        })
        const mean = (key: 'single' | 'ensemble' | 'radius') =>
          divisions.reduce((sum, each) => sum + each[key], 0) / divisions.length
        const radii = divisions.map(({ radius }) => radius)
        const [single, ensemble] = [mean('single'), mean('ensemble')].map((share) => percent(share))
        const [radius, least, largest] = [mean('radius'), Math.min(...radii), Math.max(...radii)].map((r) =>
          r.toFixed(2),
        )
        return [`K = ${k}: single / ensemble / radius`, `${single} / ${ensemble} / ${radius} (${least} to ${largest})`]
      })
      return { ...about, clips: use.name, lambda: ridge, ...Object.fromEntries(cells) }
    }),
  )
}

interface Result {
  readonly name: string
  readonly found: Int32Array
  /** Accuracy without each part, of heads with another part held out in turn. */
  readonly inner: ReadonlyMap<string, number>
}

/** Accuracy on the other parts, each held out in turn. */
function innerAccuracy(rows: Rows): ReadonlyMap<string, number> {
  return new Map(
    parts.map((part) => {
      const others = videos.flatMap((video, v) => (video.part === part ? [] : [v]))
      const index = new Map(others.map((v, i) => [v, i]))
      const own = rows.owners.flatMap((owner, i) => (index.has(owner) ? [i] : []))
      const inside = { ...rows, owners: own.map((i) => index.get(rows.owners[i])!), rows: own.map((i) => rows.rows[i]) }
      const listed = others.map((v) => videos[v])
      const found = answers(inside, listed, classes.length, lambda)
      const right = Array.from(found, (c, i) => c === listed[i].class)
      return [part, balanced(right, new Int32Array(listed.length).fill(1), listed, classes.length)]
    }),
  )
}

const draws = drawsOf(videos, seed)
const ones = new Int32Array(videos.length).fill(1)
const number = (value: number): string => value.toFixed(3)
const accuracies: ResultRow[] = []
const certified: ResultRow[] = []
function tell(tokens: string, setting: string, readout: string, found: Int32Array): void {
  const right = Array.from(found, (c, v) => c === videos[v].class)
  const [low, high] = interval(draws.map((weights) => balanced(right, weights, videos, classes.length)))
  const accuracy = `${number(balanced(right, ones, videos, classes.length))} [${number(low)}, ${number(high)}]`
  console.log([tokens, setting, readout, accuracy].join(', '))
  accuracies.push({ tokens, 'frames x stride x pixels': setting, readout, 'balanced accuracy': accuracy })
}

for (const source of values.sources.split(',')) {
  const results: Result[] = []
  for (const setting of values.settings.split(',')) {
    const { rows: all, each, digests } = await rowsOf(source, setting, videos)
    const scaling = trusted === null ? null : await rowsOf(source, setting, trusted)
    for (const [readout, rows] of all) {
      const found = answers(rows, videos, classes.length, lambda)
      const result = { name: `${setting} ${readout}`, found, inner: innerAccuracy(rows) }
      tell(source, setting, readout, found)
      results.push(result)
      if (scaling === null) continue
      const { rows: scaled, width } = scaling.rows.get(readout)!
      const features = new Float32Array(scaled.length * width)
      for (const [i, row] of scaled.entries()) features.set(row, i * width)
      const scale = measureScale({ features, rows: scaled.length, width })
      const about = { tokens: source, 'frames x stride x pixels': setting, readout }
      const told = certificates(about, each.get(readout)!, digests, scale)
      console.log(told.map((row) => Object.values(row).join(', ')).join('\n'))
      certified.push(...told)
    }
  }
  const chosen = new Int32Array(videos.length)
  for (const part of parts) {
    const best = results.reduce((a, b) => (b.inner.get(part)! > a.inner.get(part)! ? b : a))
    console.error(`  ${source}, part ${part}: ${best.name}`)
    for (const [v, video] of videos.entries()) if (video.part === part) chosen[v] = best.found[v]
  }
  tell(source, 'chosen on the other parts', '', chosen)
}
const script = 'scripts/experiments/clip-settings.ts'
writeResults(path.join(out, 'clip-settings.csv'), script, accuracies)
if (certified.length > 0) writeResults(path.join(out, 'certificates.csv'), script, certified)
console.log(`\n${videos.length} videos, ${clips} clips each; written to ${out}`)
