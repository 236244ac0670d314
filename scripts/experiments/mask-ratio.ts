// Which mask? Pretraining with 75, 90, 95 % tube, 90 % random and 87.5 % frame masks, the same number of clips each, and the
// accuracy of heads on the frozen features (VideoMAE, Tong et al. 2022, table 2 and figure 8, at small scale).
//   npx tsx scripts/experiments/mask-ratio.ts [--quick] [--out checkpoints/mask-ratio]
// Default: about two hours on two cores; --quick: some minutes. It can be stopped and started again. Larger runs: --steps,
// --width, --depth, --resolution, --clips, --engine cuda.
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { MaskKind } from '../../src/mask/mask.ts'
import { type Cell, Cells, meanWithInterval, motionData, percent, pretrainOnce, testOnce } from './study.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    steps: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    width: { type: 'string' },
    depth: { type: 'string' },
    resolution: { type: 'string' },
    clips: { type: 'string' },
    engine: { type: 'string' },
    threads: { type: 'string' },
  },
})
const { quick } = values
const number = (value: string | undefined, usual: number): number => (value === undefined ? usual : Number(value))
const steps = number(values.steps, quick ? 400 : 2500)
const seeds = Number(values.seeds)
const resolution = number(values.resolution, 32)
const width = number(values.width, 96)
const depth = number(values.depth, 4)
const out = values.out ?? path.join('checkpoints', `mask-ratio${quick ? '-quick' : ''}`)
const engine = { name: values.engine ?? null, threads: values.threads === undefined ? null : Number(values.threads) }

const data = await motionData(path.join(out, 'data'), {
  unlabelled: number(values.clips, quick ? 800 : 4000),
  labelled: quick ? 800 : 1600,
  size: resolution,
})
const masks: readonly { readonly kind: MaskKind; readonly ratio: number }[] = [
  { kind: 'tube', ratio: 0.75 },
  { kind: 'tube', ratio: 0.9 },
  { kind: 'tube', ratio: 0.95 },
  { kind: 'random', ratio: 0.9 },
  { kind: 'frame', ratio: 0.875 },
  { kind: 'frame', ratio: 0.5 },
]
const batch = 64
const cells = await Cells.open(out)
const modes = ['attentive', 'ridge'] as const
const results = masks.map(() => ({ attentive: [] as Cell[], ridge: [] as Cell[], curve: '' }))
// Seeds outside, so that a study that is stopped early has every mask. Every seed is a pretraining of its own: that is where
// the spread comes from.
for (let seed = 0; seed < seeds; seed++) {
  for (const [i, { kind, ratio }] of masks.entries()) {
    const name = `${kind}-${ratio}`
    const run = path.join(out, `pretrain-${name}-${seed}`)
    const pretrained = await pretrainOnce(run, {
      seed,
      data: { path: data.unlabelled, samplesPerClip: 4 },
      clip: { stride: 1, crop: 'random-resized', cropScale: [0.5, 1] },
      mask: { kind, ratio },
      model: {
        width,
        depth,
        heads: Math.max(1, Math.round(width / 32)),
        patch: 8,
        // With flattened positions small models stay on the plateau for tens of thousands of clips (docs/log.md).
        positions: 'factored',
        frames: 16,
        resolution,
        decoder: { width: Math.max(64, width / 2), depth: 2, heads: 2 },
      },
      batch: { size: batch, perRun: batch },
      optimiser: { baseLearningRate: (2e-3 * 256) / batch, countRepeats: true, clipNorm: 1 },
      schedule: { duration: `${steps} steps`, warmup: `${Math.floor(steps / 20)} steps` },
      checkpoint: { every: `${Math.max(50, Math.floor(steps / 10))} steps`, keep: 1 },
      log: { every: `${Math.max(10, Math.floor(steps / 10))} steps`, tensorboard: false },
      engine,
    })
    results[i].curve = pretrained.curve
    for (const mode of modes) {
      const key = `${name} ${mode} seed=${seed}`
      const cell = await cells.once(key, () =>
        testOnce(path.join(out, 'runs', key.replaceAll(' ', '-')), {
          seed,
          mode,
          data: { path: data.labelled },
          clip: { stride: 1, sampling: 'dense' },
          model: { from: run },
          evaluation: { clips: 1, crops: 1, batch: 16 },
          probe: { cache: path.join(out, 'features') },
          engine,
        }),
      )
      results[i][mode].push(cell)
    }
  }
}
/** Over pretrainings; of a single one, over the videos of the test (bootstrap). */
const interval = (list: readonly Cell[]): string =>
  list.length > 1
    ? meanWithInterval(list.map(({ accuracy }) => accuracy))
    : `${percent(list[0].accuracy)} [${percent(list[0].low)}, ${percent(list[0].high)}]`
const rows = results.map(
  (result, i) =>
    `| ${masks[i].kind} | ${masks[i].ratio} | ${interval(result.attentive)} | ${interval(result.ridge)} | ${result.curve} |`,
)
console.log(`top-1 accuracy on generated motion (8 classes), mean over ${seeds} pretrainings [95 % interval]`)
console.log(`width ${width}, depth ${depth}, ${resolution} pixels, ${steps} x ${batch} clips\n`)
console.log('| mask | ratio | attentive | ridge | last curve |\n|---|---|---|---|---|')
console.log(rows.join('\n'))
