// Times heads on 1,000 cached clips, against the target of the project's issue 3: seconds on two cores.
//   npx tsx scripts/bench/probes.ts [--clips 1000] [--width 384] [--tokens 256] [--classes 10] [--engine onnx] [--threads 2]
import { parseArgs } from 'node:util'
import { RandomStream } from '../../src/core/random.ts'
import type { LabelledVideo } from '../../src/finetune/dataset.ts'
import type { FeatureRows } from '../../src/finetune/feature-rows.ts'
import { trainProbe } from '../../src/finetune/probe.ts'
import { trainRidgeHead } from '../../src/finetune/ridge.ts'

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
  const videos = Array.from(labels, (label, i): LabelledVideo => {
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
  const began = performance.now()
  const scores = await work()
  const seconds = ((performance.now() - began) / 1000).toFixed(2).padStart(7)
  console.log(`${name.padEnd(40)} ${seconds} s   validation accuracy ${scores?.accuracy.toFixed(3)}`)
}
await timed('ridge, 6 strengths', async () => trainRidgeHead(pooled.train, pooled.validation, classes).validation)
await timed('linear, 100 epochs', async () => {
  const options = { head: { kind: 'linear' }, classes, seed: 0, engine: values.engine, threads } as const
  return (await trainProbe(pooled.train, pooled.validation, options)).validation
})
const whole = { train: features(clips, [tokens, width], 1), validation: features(100, [tokens, width], 2) }
for (const epochs of [1, 5]) {
  await timed(`attentive, ${epochs} epoch(s)`, async () => {
    const head = { kind: 'attentive', heads: Math.max(1, Math.floor(width / 64)), mlpWidth: 4 * width } as const
    const options = { head, classes, seed: 0, epochs, engine: values.engine, threads }
    return (await trainProbe(whole.train, whole.validation, options)).validation
  })
}
