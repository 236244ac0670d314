// Times heads on 1,000 cached clips: seconds on two cores are wanted. Run `npm run build` before: engines start from dist/.
//   npx tsx scripts/bench/probes.ts [--clips 1000] [--width 384] [--tokens 256] [--classes 10] [--engine onnx] [--threads 2]
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { trainProbe } from '../../src/finetune/probe.ts'
import { trainRidgeHead } from '../../src/finetune/ridge.ts'
import type { LabeledVideo } from '../../src/index.ts'
import { type FeatureRows, readRows } from '../../src/inference/feature-rows.ts'
import { FeatureStore } from '../../src/inference/feature-store.ts'
import { RandomStream } from '../../src/model.ts'

const { values } = parseArgs({
  options: {
    clips: { type: 'string', default: '1000' },
    width: { type: 'string', default: '384' },
    tokens: { type: 'string', default: '256' },
    classes: { type: 'string', default: '10' },
    engine: { type: 'string', default: 'onnx' },
    threads: { type: 'string', default: '2' },
  },
})
const [clips, width, tokens, classes, threads] = [
  values.clips,
  values.width,
  values.tokens,
  values.classes,
  values.threads,
].map(Number)

/** Clips of one class share a direction, hidden in noise; for tokens, in every eighth token only. */
function features(count: number, shape: readonly number[], seed: number): FeatureRows {
  const perRow = shape.reduce((a, b) => a * b, 1)
  const directions = new RandomStream('directions')
  const means = Float32Array.from({ length: classes * width }, () => directions.normal(0, 0.5))
  const random = new RandomStream(seed, 'rows')
  const labels = Int32Array.from({ length: count }, () => random.integer(classes))
  const noise = Float32Array.from({ length: 1 << 16 }, () => random.normal())
  const rows = Array.from(labels, (label) => {
    const start = random.integer(noise.length)
    const every = shape.length === 1 ? 1 : 8
    return Float32Array.from({ length: perRow }, (_, k) => {
      const signal = Math.floor(k / width) % every === 0 ? means[label * width + (k % width)] : 0
      return noise[(start + k * 7) % noise.length] + signal
    })
  })
  const videos = Array.from(labels, (label, i): LabeledVideo => {
    const name = `class ${label}`
    return { path: `/${seed}/${i}`, id: `${seed}/${i}`, label: name, class: label, digest: null }
  })
  const owners = Int32Array.from({ length: count }, (_, i) => i)
  return { count, shape, width: perRow, labels, owners, videos, row: (i) => rows[i] }
}

const pooled = { train: features(clips, [width], 1), validation: features(200, [width], 2) }
console.log(
  `${clips} clips, width ${width}, ${tokens} tokens, ${classes} classes, engine ${values.engine}, ${threads} threads`,
)
async function timed(name: string, work: () => Promise<{ accuracy: number } | null>): Promise<void> {
  const [began, used] = [performance.now(), process.cpuUsage()]
  const scores = await work()
  const wall = ((performance.now() - began) / 1000).toFixed(2).padStart(7)
  const { user, system } = process.cpuUsage(used)
  const cpu = ((user + system) / 1e6).toFixed(2).padStart(7)
  console.log(`${name.padEnd(30)} ${wall} s, CPU ${cpu} s   validation accuracy ${scores?.accuracy.toFixed(3)}`)
}
await timed('ridge, 6 strengths', async () => trainRidgeHead(pooled.train, pooled.validation, classes).validation)
await timed('linear, 100 epochs', async () => {
  const options = { head: { kind: 'linear' }, classes, seed: 0, engine: values.engine, threads } as const
  return (await trainProbe(pooled.train, pooled.validation, options)).validation
})

const whole = { train: features(clips, [tokens, width], 1), validation: features(100, [tokens, width], 2) }
for (const epochs of [1, 5, 20]) {
  await timed(`attentive, ${epochs} epoch(s)${epochs === 20 ? ' (default)' : ''}`, async () => {
    const head = { kind: 'attentive', heads: Math.max(1, Math.floor(width / 64)), mlpWidth: 4 * width } as const
    const options = { head, classes, seed: 0, epochs, engine: values.engine, threads }
    return (await trainProbe(whole.train, whole.validation, options)).validation
  })
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-probes-'))
try {
  const target = [folder, 'tokens', {}, tokens * width] as const
  const store = await FeatureStore.open(...target)
  const view = { clip: 0, crop: 0, startSeconds: 0, firstFrame: 0, lastFrame: 0 }
  const videos = whole.train.videos.map((video) => ({ video, digest: video.id }))
  const megabytes = (clips * tokens * width * 4) / 1e6
  const wrote = await seconds(async () => {
    for (const [i, { digest }] of videos.entries()) await store.append({ digest, views: [view] }, whole.train.row(i))
  })
  const read = await seconds(async () => {
    const again = await FeatureStore.open(...target)
    await readRows({
      store: again,
      shape: [tokens, width],
      videos,
      failures: [],
      computed: 0,
      encoder: '',
      readout: 'mean',
    })
  })
  console.log(
    `cache of ${megabytes.toFixed(0)} MB: written in ${wrote.toFixed(2)} s, opened and read in ${read.toFixed(2)} s`,
  )
} finally {
  rmSync(folder, { recursive: true })
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}
