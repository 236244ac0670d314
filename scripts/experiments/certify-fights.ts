// Certified radii on the fights clips (300 clips of 72 source videos), five folds that keep sources apart: ridge heads on an
// encoder pretrained on other videos, on the same architecture with fresh weights, and on plain pixels; one poison is a
// video (buckets by content) or a whole source (buckets by source).
//   npx tsx scripts/experiments/certify-fights.ts [--quick] [--out checkpoints/certify-fights] [--threads 2]
// Default: about two hours on two cores; --quick: some minutes. It can be stopped and started again. Larger runs: --steps,
// --width, --depth, --resolution, --engine cuda. Data: VIDEOMAE_TEST_DATA, else ../shared/data.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { summariseRadii } from '../../src/certify/metrics.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify-videos/index.ts'
import { writeFileAtomic } from '../../src/format/atomic.ts'
import { certifyOnce, type Learner, matchedTable, type Row, tableOf, writeChart } from './certify-study.ts'
import { pretrainOnce } from './study.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    steps: { type: 'string' },
    partitions: { type: 'string' },
    sources: { type: 'string' },
    spread: { type: 'string', default: '2' },
    width: { type: 'string' },
    depth: { type: 'string' },
    resolution: { type: 'string' },
    frames: { type: 'string', default: '8' },
    // Balanced accuracy is near chance for bad learners: lambda is a constant, there are no trusted labels to choose it on.
    lambda: { type: 'string', default: '0.1' },
    engine: { type: 'string' },
    threads: { type: 'string', default: '2' },
  },
})
const { quick } = values
const number = (value: string | undefined, usual: number): number => (value === undefined ? usual : Number(value))
const steps = number(values.steps, quick ? 60 : 6000)
const resolution = number(values.resolution, quick ? 48 : 96)
const width = number(values.width, quick ? 96 : 192)
const depth = number(values.depth, quick ? 4 : 6)
const frames = Number(values.frames)
const lambda = Number(values.lambda)
const byContent = (values.partitions ?? '3,5,9,15,25').split(',').map(Number)
const bySource = (values.sources ?? '3,5,9,15').split(',').map(Number)
const out = values.out ?? path.join('checkpoints', `certify-fights${quick ? '-quick' : ''}`)
const threads = Number(values.threads)

const data = process.env.VIDEOMAE_TEST_DATA ?? '../shared/data'
const fights = path.resolve(data, 'fights')
if (!existsSync(fights)) throw new Error(`Expected the data set fights at ${fights}; set VIDEOMAE_TEST_DATA.`)

/** Lists with absolute paths, one pair a fold. */
function writeFolds(): { readonly data: string; readonly test: string }[] {
  const lines = readFileSync(path.join(fights, 'labels.csv'), 'utf8').trim().split(/\r?\n/).slice(1)
  const clips = lines.map((line) => line.split(','))
  const folds = [...new Set(clips.map(([, , , fold]) => fold))].sort()
  mkdirSync(path.join(out, 'folds'), { recursive: true })
  return folds.map((fold) => {
    const write = (name: string, chosen: string[][]) => {
      const file = path.join(out, 'folds', `${name}-${fold}.csv`)
      const rows = chosen.map(([clip, label, group]) => `${path.join(fights, clip)},${label},${group}`)
      writeFileSync(file, `path,label,group\n${rows.join('\n')}\n`)
      return file
    }
    return {
      data: write(
        'protected',
        clips.filter(([, , , other]) => other !== fold),
      ),
      test: write(
        'predicted',
        clips.filter(([, , , other]) => other === fold),
      ),
    }
  })
}
const folds = writeFolds()

// Other videos, none of them of the fights set: its manifest is checked against the protected clips below.
const elsewhere = ['skateboard', 'weizmann4', ...(quick ? [] : ['pile'])].map((name) => path.join(data, name))
const batch = 32
const pretrained = await pretrainOnce(path.join(out, 'pretrain'), {
  data: { path: elsewhere, samplesPerClip: 8 },
  clip: { stride: 2, crop: 'random-resized', cropScale: [0.5, 1] },
  mask: { ratio: 0.75 },
  model: {
    width,
    depth,
    heads: Math.max(1, Math.round(width / 32)),
    frames,
    resolution,
    patch: 8,
    decoder: { width: Math.max(64, width / 2), depth: 2, heads: 2 },
    // So few steps as a quick run has teach colours at best (docs/log.md).
    ...(quick ? { target: 'raw' as const } : { positions: 'factored' as const }),
  },
  batch: { size: batch, perRun: batch },
  optimiser: { baseLearningRate: (1e-3 * 256) / batch, minimumBaseLearningRate: 1e-5, countRepeats: true, clipNorm: 1 },
  schedule: { duration: `${steps} steps`, warmup: `${Math.floor(steps / 20)} steps` },
  checkpoint: { every: `${Math.max(40, Math.floor(steps / 20))} steps`, keep: 1 },
  log: { every: `${Math.max(10, Math.floor(steps / 20))} steps`, tensorboard: false },
  engine: { name: values.engine ?? null, threads },
})

const learners: readonly Learner[] = [
  { name: 'pretrained on other videos', from: pretrained.run },
  { name: 'same encoder, fresh weights', from: `untrained:${pretrained.run}` },
  { name: 'pixels', from: 'pixels' },
]
const videosOf = (learner: Learner, fold: (typeof folds)[number]): CertifyVideosOptions => ({
  ...fold,
  from: learner.from,
  classes: ['fight', 'noFight'],
  // Unlabelled videos that anybody may look at fix the scale of features.
  trusted: path.join(data, 'skateboard'),
  cache: path.join(out, 'store'),
  stride: 2,
  engine: values.engine ?? null,
  threads,
})

/** The folds of one run as one: every clip is predicted once, by learners that saw none of its source. */
function pooled(parts: readonly Row[]): Row {
  const radii = parts.flatMap((part) => part.radii)
  const share = (part: Row) => part.summary.inputs / radii.length
  const baseAccuracy = parts.reduce((sum, part) => sum + part.baseAccuracy * share(part), 0)
  const abstentions = parts.reduce((sum, part) => sum + part.abstentions, 0)
  return { ...parts[0], baseAccuracy, abstentions, radii, summary: summariseRadii(radii) }
}

const results = new Map<'content' | 'source', Row[]>()
for (const [by, partitions] of [
  ['content', byContent],
  ['source', bySource],
] as const) {
  const rows: Row[] = []
  for (const learner of learners) {
    for (const k of partitions) {
      const parts: (readonly Row[])[] = []
      for (const [i, fold] of folds.entries()) {
        const what = { k, rules: ['dpa', 'roe', 'fa'] as const, spread: Number(values.spread), by, lambda }
        parts.push(
          await certifyOnce(out, learner, videosOf(learner, fold), { ...what, name: `${learner.name} fold ${i}` }),
        )
      }
      rows.push(...parts[0].map((_, rule) => pooled(parts.map((part) => part[rule]))))
      console.error(`${by} ${learner.name} K=${k} done`)
    }
  }
  results.set(by, rows)
}

const plan = await planCertification(videosOf(learners[0], folds[0]))
const { encoder, division } = plan
console.log(
  `fights: ${division.train.length} protected clips in the first fold, 5 folds; encoder of width ${width} and depth ${depth} at ${resolution} pixels`,
)
console.log(
  `pretraining on ${elsewhere.map((folder) => path.basename(folder)).join(' + ')}, ${steps} x ${batch}: ${pretrained.curve}`,
)
console.log(`trust of the pretrained encoder: ${encoder.trust}; lambda ${lambda}\n`)
for (const [by, rows] of results) {
  const unit = by === 'source' ? 'one source with all its clips' : 'one clip'
  const text = `one poison is ${unit}\n\n${tableOf(rows)}\n${matchedTable(rows)}`
  console.log(text)
  await writeFileAtomic(path.join(out, `table-${by}.md`), text)
  const middle = by === 'source' ? bySource[bySource.length >> 1] : byContent[byContent.length >> 1]
  const shown = rows.filter((row) => row.partitions === middle)
  await writeChart(path.join(out, `certified-accuracy-${by}.svg`), `fights, K = ${middle}`, unit, shown)
}
console.log(`written to ${out}`)
