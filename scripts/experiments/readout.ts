// What a head reads of the tokens: balanced accuracy of ridge heads on every readout of a pretrained encoder, of the same model
// with fresh weights and of patches without a network, on folds that keep groups apart.
//   npx tsx scripts/experiments/readout.ts LIST --encoder DIR [--hold-out fold] [--group group] [--out checkpoints/readout]
//     [--readouts mean,grid,...] [--clips 3] [--stride 2] [--lambda 1] [--seed 0] [--threads 2]
// LIST: a CSV with columns path, label, one that names the part to hold out (--hold-out: fold, subject, ...) and one that names
// what belongs together (--group). A ridge head on standardized features, lambda for each training row, nothing tuned; scores
// are averaged over the clips of a video. The row `auto` takes for each part the readout that `finetune` would choose without it. Intervals: 95 %, bootstrap over groups, for differences of two rows with the same
// draws for both. Writes readout.json, and readout.csv in the form of dev/results/, and prints the table. Tokens are computed once and kept.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { EngineSession } from '../../src/engine/engine.ts'
import {
  bestReadout,
  type ComparedReadout,
  compareReadouts,
  describeChoice,
} from '../../src/finetune/choose-readout.ts'
import { Graph } from '../../src/graph.ts'
import { computeFeatures, openEncoder } from '../../src/index.ts'
import { freshEncoder, patchSource, type TokenSource } from '../../src/inference/encoder-source.ts'
import { readoutChoices } from '../../src/model/readout.ts'
import { automaticReadout } from '../../src/model/readout-name.ts'
import { readoutName, readTokens, tokenGrid } from '../../src/model.ts'
import { clipTiming } from '../../src/train/clip-timing.ts'
import { chooseEngine } from '../../src/train/engine-choice.ts'
import { writeResults } from '../support/results-file.ts'
import { answers, balanced, drawsOf, interval, type Rows, readList, type Video } from './support/readout-heads.ts'

const usual = 'mean,grid:3,motion:1,motion:2,motion:3,motion:6,motion-rms:3'
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    encoder: { type: 'string' },
    'hold-out': { type: 'string', default: 'fold' },
    group: { type: 'string', default: 'group' },
    out: { type: 'string', default: path.join('checkpoints', 'readout') },
    readouts: { type: 'string', default: usual },
    clips: { type: 'string', default: '3' },
    stride: { type: 'string' },
    lambda: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
  },
})
const [list] = positionals
if (list === undefined || values.encoder === undefined) throw new Error('Expected LIST and --encoder DIR.')
const { out } = values
const clips = Number(values.clips)
const lambda = Number(values.lambda)
const threads = Number(values.threads)

type Tokens = Awaited<ReturnType<typeof tokensOf>>

async function tokensOf(source: TokenSource, videos: readonly Video[]) {
  const computed = await computeFeatures(source, videos, {
    ...{ kind: 'tokens', cache: path.join(out, 'store'), clips, batch: 1, threads },
  })
  if (computed.failures.length > 0) throw new Error(`Expected readable videos: ${computed.failures[0].reason}`)
  const tokens: Float32Array[] = []
  for (const { digest } of computed.videos) tokens.push(await computed.store.read(digest))
  return { tokens, shape: computed.shape, grid: tokenGrid(source.configuration) }
}

/** The readout of all tokens, through the program's own operations. */
async function readoutOf({ tokens, shape, grid }: Tokens, readout: string): Promise<Rows> {
  const [count, width] = shape as [number, number]
  const graph = new Graph('readout')
  const program = graph.build({ y: readTokens(graph.input('tokens', [1, count, width]), grid, readout) })
  const session: EngineSession = await (await chooseEngine(null)).open([program], { threads: 1 })
  const owners: number[] = []
  const rows: Float32Array[] = []
  try {
    for (const [v, all] of tokens.entries()) {
      for (let from = 0; from < all.length; from += count * width) {
        const { y } = await session.run('readout', { tokens: all.slice(from, from + count * width) })
        owners.push(v)
        rows.push(y)
      }
    }
  } finally {
    await session.close()
  }
  return { width: rows[0].length, owners, rows }
}

/**
 * The readout that `finetune` would choose for each part, on the other parts alone, and what a head on it answers.
 *
 * @param answered answers of the heads on each readout, [videos]
 */
function automatic(all: ReadonlyMap<string, Rows>, answered: ReadonlyMap<string, Int32Array>, classes: number) {
  const found = new Int32Array(videos.length)
  for (const part of new Set(videos.map((video) => video.part))) {
    const others = videos.flatMap((video, v) => (video.part === part ? [] : [v]))
    const compared = [...all].map(([readout, { width, owners, rows }]): ComparedReadout => {
      const own = owners.flatMap((owner, i) => (videos[owner].part === part ? [] : [i]))
      const train = {
        ...{ count: own.length, shape: [width], width, row: (i: number) => rows[own[i]] },
        labels: Int32Array.from(own, (i) => videos[owners[i]].class),
        owners: Int32Array.from(own, (i) => others.indexOf(owners[i])),
        videos: others.map((v) => ({ ...videos[v], label: '', digest: videos[v].id })),
      }
      return compareReadouts([readout], train, [width], { classes, seed: Number(values.seed) })![0]
    })
    const readout = bestReadout(compared)
    console.error(`  part ${part}: ${describeChoice(readout, compared)}`)
    for (const [v, video] of videos.entries()) if (video.part === part) found[v] = answered.get(readout)![v]
  }
  return found
}

const { videos, classes } = readList(list, { part: values['hold-out'], group: values.group })
const opened = await openEncoder(values.encoder)
const stride = values.stride === undefined ? undefined : Number(values.stride)
const sampling = { ...opened.sampling, ...clipTiming({ stride }, opened.sampling) }
const sources: readonly (readonly [string, TokenSource])[] = [
  ['fresh', freshEncoder(opened.configuration, sampling, Number(values.seed))],
  ['pretrained', { ...opened, sampling }],
  ['pixels', patchSource(sampling)],
]
const readouts = values.readouts.split(',').map((text) => readoutName(text))
mkdirSync(out, { recursive: true })
const draws = drawsOf(videos, Number(values.seed))
const ones = new Int32Array(videos.length).fill(1)
const results: { source: string; readout: string; width: number | null; accuracy: number; drawn: number[] }[] = []
for (const [source, encoder] of sources) {
  const tokens = await tokensOf(encoder, videos)
  const choices = new Set(readoutChoices(tokens.grid))
  const [all, answered] = [new Map<string, Rows>(), new Map<string, Int32Array>()]
  for (const readout of [...readouts, automaticReadout]) {
    const rows = readout === automaticReadout ? null : await readoutOf(tokens, readout)
    const found =
      rows === null ? automatic(all, answered, classes.length) : answers(rows, videos, classes.length, lambda)
    if (rows !== null && choices.has(readout)) {
      all.set(readout, rows)
      answered.set(readout, found)
    }
    const right = Array.from(found, (c, v) => c === videos[v].class)
    const accuracy = balanced(right, ones, videos, classes.length)
    const drawn = draws.map((weights) => balanced(right, weights, videos, classes.length))
    results.push({ source, readout, width: rows?.width ?? null, accuracy, drawn })
    console.error(`${source} ${readout}: ${accuracy.toFixed(3)}`)
  }
}

const rowOf = (source: string, readout: string) =>
  results.find((result) => result.source === source && result.readout === readout)
/** Difference of two rows and its paired interval. */
function difference(a: (typeof results)[number] | undefined, b: (typeof results)[number] | undefined) {
  if (a === undefined || b === undefined || a === b) return null
  const [low, high] = interval(a.drawn.map((value, i) => value - b.drawn[i]))
  return { value: a.accuracy - b.accuracy, low, high }
}
const table = results.map((result) => {
  const { source, readout, width, accuracy, drawn } = result
  const [low, high] = interval(drawn)
  const overMean = difference(result, rowOf(source, 'mean'))
  const overFresh = source === 'pretrained' ? difference(result, rowOf('fresh', readout)) : null
  return { source, readout, width, accuracy, low, high, overMean, overFresh }
})
const lists = { list: path.resolve(list), encoder: values.encoder, holdOut: values['hold-out'], group: values.group }
const groups = new Set(videos.map(({ group }) => group)).size
writeFileSync(
  path.join(out, 'readout.json'),
  `${JSON.stringify({ ...lists, videos: videos.length, groups, classes, clips, lambda, sampling, table }, null, 2)}\n`,
)
const number = (value: number): string => value.toFixed(3)
/** Balanced accuracy, one row for each readout and one column for what the tokens come from. */
const accuracies = [...new Set(table.map(({ readout }) => readout))].map((readout) => {
  const own = table.filter((row) => row.readout === readout)
  const cells = own.map(({ source, accuracy, low, high }) => [
    source,
    `${number(accuracy)} [${number(low)}, ${number(high)}]`,
  ])
  return { readout, ...Object.fromEntries(cells) }
})
writeResults(path.join(out, 'readout.csv'), 'scripts/experiments/readout.ts', accuracies)
const signed = (d: ReturnType<typeof difference>): string =>
  d === null ? '' : `${d.value >= 0 ? '+' : ''}${number(d.value)} [${number(d.low)}, ${number(d.high)}]`
console.log(
  `${videos.length} videos of ${groups} groups, ${classes.length} classes; lambda ${lambda} per row, ${clips} clips\n`,
)
console.log(
  '| tokens | readout | values | balanced accuracy | over the mean | over fresh weights |\n|---|---|---|---|---|---|',
)
for (const { source, readout, width, accuracy, low, high, overMean, overFresh } of table) {
  console.log(
    `| ${source} | ${readout} | ${width ?? ''} | ${number(accuracy)} [${number(low)}, ${number(high)}] | ${signed(overMean)} | ${signed(overFresh)} |`,
  )
}
console.log(`\nwritten to ${out}`)
