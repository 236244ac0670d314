// Which mask? Pretraining with 75, 90, 95 % tube, 90 % random and 87.5 % frame masks, the same number of clips each, and the
// accuracy of heads on the frozen features (VideoMAE, Tong et al. 2022, table 2 and figure 8, at small scale).
//   npx tsx scripts/experiments/mask-ratio.ts [--quick] [--out checkpoints/mask-ratio]
// Default: about two hours on two cores; --quick: some minutes. It can be stopped and started again. Larger runs: --steps,
// --width, --depth, --resolution, --frames, --stride, --clips, --engine cuda. Processes with different --first-seed or
// --only (tube, random, frame) share a folder; one without these then has the table of all. Writes masks.csv of the folder, in
// the form of dev/results/; --table FILE writes it elsewhere.
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { MaskKind } from '../../src/model.ts'
import { percent } from '../support/percent.ts'
import { writeResults } from '../support/results-file.ts'
import {
  type Cell,
  Cells,
  lossesAfter,
  meanWithInterval,
  motionData,
  numberOr,
  pretrainOnce,
  smallPretraining,
  testOnce,
} from './support/study.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    table: { type: 'string' },
    steps: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    'first-seed': { type: 'string', default: '0' },
    only: { type: 'string' },
    width: { type: 'string' },
    depth: { type: 'string' },
    resolution: { type: 'string' },
    frames: { type: 'string' },
    stride: { type: 'string' },
    clips: { type: 'string' },
    engine: { type: 'string' },
    threads: { type: 'string' },
  },
})
const { quick } = values
const steps = numberOr(values.steps, quick ? 400 : 3000)
const firstSeed = Number(values['first-seed'])
const seeds = Number(values.seeds)
const model = {
  width: numberOr(values.width, 96),
  depth: numberOr(values.depth, 4),
  // 4 token-frames, of which a frame mask of 0.875 hides 3 (masks round down). With 16 frames, 128,000 samples are too few for
  // any mask (dev/results.md).
  frames: numberOr(values.frames, 8),
  resolution: numberOr(values.resolution, 32),
}
// At stride 1 hidden frames are nearly copies of visible ones, and no mask teaches motion (dev/log.md).
const stride = numberOr(values.stride, 2)
const out = values.out ?? path.join('checkpoints', `mask-ratio${quick ? '-quick' : ''}`)
const engine = { name: values.engine ?? null, threads: values.threads === undefined ? null : Number(values.threads) }

const data = await motionData(path.join(out, 'data'), {
  unlabeled: numberOr(values.clips, quick ? 800 : 4000),
  labeled: quick ? 800 : 1600,
  size: model.resolution,
  frames: Math.max(24, model.frames * stride),
})
const all: readonly { readonly kind: MaskKind; readonly ratio: number }[] = [
  { kind: 'tube', ratio: 0.75 },
  { kind: 'tube', ratio: 0.9 },
  { kind: 'tube', ratio: 0.95 },
  { kind: 'random', ratio: 0.9 },
  { kind: 'frame', ratio: 0.875 },
  { kind: 'frame', ratio: 0.5 },
]
const masks = all.filter(({ kind }) => (values.only ?? kind).split(',').includes(kind))
const batch = 64
/** Clips after which the table has the loss: 0.3, 0.5 and all of them. */
const milestones = [0.3, 0.5, 1].map((share) => Math.floor(share * steps) * batch)
const cells = await Cells.open(out)
const modes = ['attentive', 'ridge'] as const
const results = masks.map(() => ({ attentive: [] as Cell[], ridge: [] as Cell[], losses: '' }))
// Seeds outside, so that a study that is stopped early has every mask. Every seed is a pretraining of its own: that is where
// the spread comes from.
for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
  for (const [i, { kind, ratio }] of masks.entries()) {
    const name = `${kind}-${ratio}`
    const run = path.join(out, `pretrain-${name}-${seed}`)
    const pretrained = await pretrainOnce(run, {
      seed,
      data: { path: data.unlabeled, samplesPerClip: 4 },
      clip: { stride, crop: 'random-resized', cropScale: [0.5, 1] },
      mask: { kind, ratio },
      ...smallPretraining(model, { steps, batch, parts: 10, engine }),
    })
    results[i].losses = (await lossesAfter(pretrained.run, milestones)).join(' / ')
    for (const mode of modes) {
      const key = `${name} ${mode} seed=${seed}`
      const cell = await cells.once(key, () =>
        testOnce(path.join(out, 'runs', key.replaceAll(' ', '-')), {
          seed,
          mode,
          data: { path: data.labeled },
          clip: { stride, sampling: 'dense' },
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
const mean = (list: readonly number[]): string => percent(list.reduce((a, b) => a + b, 0) / list.length)
/** Over pretrainings; of one or two, over the videos of the test (bootstrap): two say little about their spread. */
const interval = (list: readonly Cell[]): string =>
  list.length > 2
    ? meanWithInterval(list.map(({ accuracy }) => accuracy))
    : `${mean(list.map(({ accuracy }) => accuracy))} [${mean(list.map(({ low }) => low))}, ${mean(list.map(({ high }) => high))}]`
const lossColumn = `loss after ${milestones.map((clips) => clips.toLocaleString('en-US')).join(' / ')}${seeds > 1 ? ' (last seed)' : ''}`
const rows = results.map(({ attentive, ridge, losses }, i) => ({
  mask: masks[i].kind,
  ratio: masks[i].ratio,
  attentive: interval(attentive),
  ridge: interval(ridge),
  [lossColumn]: losses,
}))
const table = values.table ?? path.join(out, 'masks.csv')
writeResults(table, 'scripts/experiments/mask-ratio.ts', rows)
console.log(`top-1 accuracy on generated motion (8 classes), mean over ${seeds} pretrainings [95 % interval]`)
console.log(`model ${JSON.stringify(model)}, stride ${stride}, ${steps} x ${batch} clips`)
console.log(`written to ${table}`)
