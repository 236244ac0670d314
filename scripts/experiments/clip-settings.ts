// Which frames, and how large, matter more than the weights? Balanced accuracy of ridge heads on readouts of patches without a network
// (`pixels`) and of an encoder with fresh weights, over clips of several lengths, strides and sizes; with --trusted also certificates.
//   npx tsx scripts/experiments/clip-settings.ts LIST --settings 8x2x48,16x2x48,16x4x64 [--clips 3] [--sources pixels,fresh]
//     [--readouts motion:3,motion-rms:3,motion:6] [--hold-out fold] [--group group] [--trusted VIDEOS --partitions 25,45]
//     [--out checkpoints/clip-settings] [--lambda 1] [--head-lambda 0.1] [--seed 0] [--threads 2]
// A setting is FRAMES x STRIDE x PIXELS; `whole` as the stride spreads the frames over the whole video. A video is one
// row: the mean over its clips. The last row chooses setting and readout for each part by the accuracy of heads on the other
// parts, with each of them held out in turn. Certificates: DPA, buckets by content, ridge on rows that --trusted standardizes;
// radii count 0 where the answer is wrong.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { certify, scoredRadii } from '../../src/certify/certify.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { applyScale, type FeatureScale, measureScale } from '../../src/certify/videos/scale.ts'
import { freshEncoder, type PatchSource, patchSource, type TokenSource } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import type { TestSampling } from '../../src/inference/views.ts'
import { resolveConfiguration, tokenGrid } from '../../src/model/configuration.ts'
import { readoutWidth } from '../../src/model/readout.ts'
import { readoutName } from '../../src/model/readout-name.ts'
import { listVideos } from '../../src/video/source.ts'
import { answers, balanced, drawsOf, interval, meanRows, type Rows, readList, type Video } from './readout-heads.ts'

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
    'head-lambda': { type: 'string', default: '0.1' },
    seed: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
  },
})
const [list] = positionals
if (list === undefined) throw new Error('Expected LIST.')
const { out } = values
const [clips, threads, lambda, seed] = [values.clips, values.threads, values.lambda, values.seed].map(Number)
const readouts = values.readouts.split(',').map(readoutName)
const sideBySide = readouts.join('+')
const { videos, classes } = readList(list, { part: values['hold-out'], group: values.group })
const trusted = values.trusted === undefined ? null : listVideos([values.trusted])
const parts = [...new Set(videos.map(({ part }) => part))]
mkdirSync(out, { recursive: true })

/** What tokens come from, and how many values one has. */
function sourceOf(name: string, setting: string): { readonly source: TokenSource; readonly width: number } {
  const [frames, stride, size] = setting.split('x')
  const sampling: TestSampling =
    stride === 'whole'
      ? { kind: 'segments', stride: 1, fps: null }
      : { kind: 'dense', stride: Number(stride), fps: null }
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

type Featured = { readonly rows: ReadonlyMap<string, Rows>; readonly digests: readonly string[] }

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
  const rows = new Map<string, Rows>()
  for (const readout of readouts) {
    const start = from
    from += readoutWidth(readout, tokenGrid(source.configuration), width)
    const end = from
    const ofReadout = all.map((row) => row.slice(start, end))
    rows.set(readout, meanRows({ width: end - start, owners, rows: ofReadout }, listed.length))
  }
  return { rows, digests }
}

/** DPA over all parts, each predicted by learners that saw none of it. */
async function certified(rows: Rows, digests: readonly string[], scale: FeatureScale, partitions: number) {
  const { width } = rows
  const radii: number[] = []
  let single = 0
  for (const part of parts) {
    const of = (wanted: (video: Video) => boolean) => {
      const chosen = videos.flatMap((video, v) => (wanted(video) ? [v] : []))
      const features = new Float32Array(chosen.length * width)
      for (const [i, v] of chosen.entries()) features.set(rows.rows[v], i * width)
      const labels = Int32Array.from(chosen, (v) => videos[v].class)
      const ids = chosen.map((v) => videos[v].id)
      const named = { ids, digests: chosen.map((v) => digests[v]) }
      return applyScale({ features, rows: chosen.length, width, labels, classNames: classes, ...named }, scale)
    }
    const test = of((video) => video.part === part)
    const learners = headLearners({ kind: 'ridge', lambda: Number(values['head-lambda']) })
    const { certificate } = await certify(
      of((video) => video.part !== part),
      test,
      {
        ...{ learners, by: 'content' as const, partitions, rules: ['dpa'] as const, threads: 1 },
        threat: { threat: 'general', encoder: { trust: 'fixed', digest: '', labelsUsed: false, trainedOn: null } },
      },
    )
    for (const run of certificate.runs) {
      radii.push(...scoredRadii(run.inputs ?? [], test.labels))
      single += run.baseAccuracy * test.rows
    }
  }
  const right = radii.filter((radius) => radius >= 0)
  const mean = right.reduce((a, b) => a + b, 0) / radii.length
  return { partitions, single: single / radii.length, ensemble: right.length / radii.length, radius: mean }
}

interface Result {
  readonly name: string
  readonly found: Int32Array
  /** Accuracy without each part, of heads with another part held out in turn. */
  readonly inner: ReadonlyMap<string, number>
  readonly certificates: readonly Awaited<ReturnType<typeof certified>>[]
}

/** Accuracy on the other parts, each held out in turn. */
function innerAccuracy(rows: Rows): ReadonlyMap<string, number> {
  return new Map(
    parts.map((part) => {
      const others = videos.flatMap((video, v) => (video.part === part ? [] : [v]))
      const place = new Map(others.map((v, i) => [v, i]))
      const own = rows.owners.flatMap((owner, i) => (place.has(owner) ? [i] : []))
      const inside = { ...rows, owners: own.map((i) => place.get(rows.owners[i])!), rows: own.map((i) => rows.rows[i]) }
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
const lines: string[] = []
function tell(source: string, name: string, found: Int32Array, certificates: Result['certificates']): void {
  const right = Array.from(found, (c, v) => c === videos[v].class)
  const [low, high] = interval(draws.map((weights) => balanced(right, weights, videos, classes.length)))
  const accuracy = balanced(right, ones, videos, classes.length)
  const radii = certificates.flatMap(({ partitions, single, ensemble, radius }) => [
    partitions,
    ...[100 * single, 100 * ensemble].map((value) => value.toFixed(1)),
    radius.toFixed(2),
  ])
  const line = [source, name, ...[accuracy, low, high].map(number), ...radii].join(',')
  console.log(line)
  lines.push(line)
}

for (const source of values.sources.split(',')) {
  const results: Result[] = []
  for (const setting of values.settings.split(',')) {
    const { rows: all, digests } = await rowsOf(source, setting, videos)
    const scaling = trusted === null ? null : await rowsOf(source, setting, trusted)
    for (const [readout, rows] of all) {
      const certificates: Awaited<ReturnType<typeof certified>>[] = []
      if (scaling !== null) {
        const { rows: scaled, width } = scaling.rows.get(readout)!
        const features = new Float32Array(scaled.length * width)
        for (const [i, row] of scaled.entries()) features.set(row, i * width)
        const scale = measureScale({ features, rows: scaled.length, width })
        for (const k of values.partitions.split(','))
          certificates.push(await certified(rows, digests, scale, Number(k)))
      }
      const found = answers(rows, videos, classes.length, lambda)
      const result = { name: `${setting} ${readout}`, found, inner: innerAccuracy(rows), certificates }
      tell(source, result.name.replaceAll(' ', ','), found, certificates)
      results.push(result)
    }
  }
  const chosen = new Int32Array(videos.length)
  for (const part of parts) {
    const best = results.reduce((a, b) => (b.inner.get(part)! > a.inner.get(part)! ? b : a))
    console.error(`  ${source}, part ${part}: ${best.name}`)
    for (const [v, video] of videos.entries()) if (video.part === part) chosen[v] = best.found[v]
  }
  tell(source, 'chosen on the other parts,', chosen, [])
}
const file = path.join(out, 'clip-settings.csv')
const heading = 'source,setting,readout,balanced_accuracy,low,high,partitions,single,ensemble,radius'
writeFileSync(file, `${[heading, ...lines].join('\n')}\n`)
console.log(`\n${videos.length} videos, ${clips} clips each; written to ${file}`)
