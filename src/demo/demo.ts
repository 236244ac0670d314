import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { RandomStream } from '../core/random.ts'
import { clipsForCheck } from '../export/clips.ts'
import { type ExportResult, exportEncoder } from '../export/encoder.ts'
import { type ReconstructResult, reconstruct } from '../report/reconstruct.ts'
import { generateMotionDataset } from '../synthetic/generate.ts'
import { loadRunConfiguration, type Override } from '../train/configuration-file.ts'
import { type PretrainResult, pretrain } from '../train/pretrain.ts'
import type { TrainingProgress } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { isLockFile, lockRun } from '../train/run-lock.ts'

/** Where the demo writes, and how large it is. */
export interface DemoOptions {
  /** Folder for everything the demo makes: a new or empty one, or that of an earlier demo, whose videos and run are replaced. */
  readonly out: string
  /** How many videos are generated. Default 48. */
  readonly clips?: number
  /** Training steps. Default: as the recipe `demo` says. */
  readonly steps?: number
  readonly engine?: string
  readonly threads?: number
  readonly signal?: AbortSignal
  /** Called when a part begins, and for what a user should know. */
  readonly onNote?: (note: string) => void
  readonly onProgress?: (progress: TrainingProgress) => void
}

/** Files and losses of a reconstruction. */
export type DemoReconstruction = Omit<ReconstructResult, 'clips'>

/** What the demo made, and how well it learned. */
export interface DemoResult {
  readonly videos: string
  readonly run: PretrainResult
  /** First and last loss of metrics.jsonl. */
  readonly loss: { readonly first: number; readonly last: number }
  readonly reconstructions: readonly DemoReconstruction[]
  readonly encoder: ExportResult
}

/** Left in a folder that a demo made, so that only in such a folder anything is ever removed. */
const marker = '.videomae-demo'

const videoFolder = 'videos'

/**
 * The whole job on an embedded default: generates videos, pretrains on them, draws reconstructions, exports the encoder
 * and checks it.
 *
 * @throws VideoMaeError `DEMO_FOLDER` when `out` holds something else, `RUN_LOCKED` when another demo writes into it
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const lock = await lockRun(options.out, options.onNote)
  try {
    return await demoInFolder(options)
  } finally {
    await lock.release()
  }
}

async function demoInFolder(options: DemoOptions): Promise<DemoResult> {
  const { out, clips = 48, engine, signal, onNote = () => {} } = options
  await prepareFolder(out)
  const videos = path.join(out, videoFolder)
  onNote(`1/4  generating ${clips} videos whose motion is their class in ${videos}`)
  const { files } = await generateMotionDataset(videos, { clips, signal })

  const recipe = recipeFile('demo')
  const configuration = await loadRunConfiguration({ file: recipe, overrides: overridesOf(options, videos) })
  onNote(`2/4  pretraining on them (recipe ${recipe}); Ctrl-C stops and saves`)
  const runFolder = path.join(out, 'run')
  const run = await pretrain(configuration, { out: runFolder, signal, onProgress: options.onProgress, onNote })

  onNote('3/4  drawing what the model makes of hidden patches')
  const reconstructions: DemoReconstruction[] = []
  for (const [k, file] of [files[0], files[Math.min(4, files.length - 1)]].entries()) {
    const picture = path.join(out, `reconstruction-${k + 1}`)
    const { clips: _, ...written } = await reconstruct(runFolder, file, {
      out: picture,
      maskRatio: configuration.mask.ratio,
      engine,
    })
    reconstructions.push(written)
  }

  onNote('4/4  exporting the encoder and checking the file')
  const check = await clipsForCheck(runFolder, files[0], new RandomStream('demo'))
  const encoder = await exportEncoder(runFolder, {
    out: path.join(out, 'encoder.onnx'),
    clips: check,
    compareWith: 'reference',
  })
  return { videos, run, loss: await firstAndLastLoss(runFolder), reconstructions, encoder }
}

async function prepareFolder(out: string): Promise<void> {
  const entries = (await readdir(out)).filter((name) => !isLockFile(name))
  if (entries.length > 0 && !entries.includes(marker)) {
    throw new VideoMaeError(`Expected an empty folder, or one of an earlier demo, but ${out} contains other files.`, {
      code: 'DEMO_FOLDER',
      exit: 'usage',
      hint: 'Choose another folder with --out.',
    })
  }
  await rm(path.join(out, videoFolder), { recursive: true, force: true })
  await rm(path.join(out, 'run'), { recursive: true, force: true })
  makeFolder(out)
  await writeFile(path.join(out, marker), '')
}

function overridesOf({ steps, engine, threads }: DemoOptions, videos: string): Override[] {
  const values: [readonly string[], unknown][] = [
    [['data', 'path'], videos],
    [['schedule', 'duration'], steps === undefined ? undefined : `${steps} steps`],
    [['schedule', 'warmup'], steps === undefined ? undefined : `${Math.floor(steps / 10)} steps`],
    [['engine', 'name'], engine],
    [['engine', 'threads'], threads],
  ]
  return values.flatMap(([key, value]) =>
    value === undefined ? [] : [{ path: key, value, origin: `demo ${key.join('.')}` }],
  )
}

async function firstAndLastLoss(run: string): Promise<{ first: number; last: number }> {
  const lines = (await readFile(path.join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  const loss = (line: string): number => (JSON.parse(line) as { loss: number }).loss
  return { first: loss(lines[0]), last: loss(lines[lines.length - 1]) }
}
