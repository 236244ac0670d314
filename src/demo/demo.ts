import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { RandomStream } from '../core/random.ts'
import { clipsForCheck } from '../export/clips.ts'
import { type ExportResult, exportEncoder } from '../export/encoder.ts'
import { type ReconstructResult, reconstruct } from '../report/reconstruct.ts'
import { writeReport } from '../report/results/write-report.ts'
import { generateMotionDataset } from '../synthetic/generate.ts'
import { loadRunConfiguration, type Override } from '../train/configuration-file.ts'
import { type PretrainResult, pretrain } from '../train/pretrain.ts'
import type { TrainingProgress } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { isLockFile, lockRun } from '../train/run-lock.ts'
import { certifyDemo, type DemoCertificates } from './certified.ts'
import { demoClips } from './clips.ts'

/** Where the demo writes, and how large it is. */
export interface DemoOptions {
  /** Folder for everything the demo makes: a new or empty one, or that of an earlier demo, whose videos and run are replaced. */
  readonly out: string
  /** How many videos are generated to pretrain on; labeled ones are 1.6 times as many. Default 400. */
  readonly clips?: number
  /** Training steps. Default: as the recipe `demo` says. */
  readonly steps?: number
  /** Name of the engine. Default: the best one that this machine has. */
  readonly engine?: string
  /** Threads of the engine. Default: one for each core. */
  readonly threads?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called when a part begins, and for what a user should know. */
  readonly onNote?: (note: string) => void
  /** Called after every step of training. */
  readonly onProgress?: (progress: TrainingProgress) => void
}

/** Files and losses of a reconstruction. */
export type DemoReconstruction = Omit<ReconstructResult, 'clips'>

/** What the demo made, and how well it learned. */
export interface DemoResult {
  /** Folder of the generated videos. */
  readonly videos: string
  /** The pretraining run. */
  readonly run: PretrainResult
  /** First and last loss of metrics.jsonl. */
  readonly loss: { readonly first: number; readonly last: number }
  /** Clips that the model has painted from what it saw. */
  readonly reconstructions: readonly DemoReconstruction[]
  /** The exported encoder. */
  readonly encoder: ExportResult
  /** The certified classifiers. */
  readonly certificates: DemoCertificates
  /** Pages about the run and the certificate. */
  readonly pages: readonly string[]
}

/** Left in a folder that a demo made, so that only in such a folder anything is ever removed. */
const marker = '.videomae-demo'

const videoFolder = 'videos'
/** What a demo makes anew. */
const madeFolders = [videoFolder, 'run', 'labeled', 'certified', 'certified-fresh']

/**
 * The whole job on an embedded default: generates videos, pretrains on them, draws reconstructions, exports the encoder
 * and checks it, and certifies an ensemble on labeled videos that the encoder has not seen, next to one on fresh weights.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for too few videos, `DEMO_FOLDER` when `out` holds something else, `RUN_LOCKED` when another demo writes into it
 *
 * @example
 * ```ts
 * import { runDemo } from 'videomae'
 *
 * const { run } = await runDemo({ out: 'demo', clips: 16, steps: 1 })
 * run.videos // => 16
 * ```
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
  const { out, clips = 400, engine, signal, onNote = () => {} } = options
  const videos = path.join(out, videoFolder)
  const recipe = recipeFile('demo')
  const configuration = await loadRunConfiguration({ file: recipe, overrides: overridesOf(options, videos) })
  // Before anything of an earlier demo is removed.
  const least = Math.ceil(configuration.batch.size / configuration.data.samplesPerClip)
  if (clips < least) throw invalidArgument('clips', `at least ${least}, the videos of one training step`, clips)
  await prepareFolder(out)
  onNote(`1/5  generating ${clips} videos of moving shapes in ${videos}`)
  const { files } = await generateMotionDataset(videos, { ...demoClips, clips, seed: 1, signal })

  onNote(`2/5  pretraining on them without labels (recipe ${recipe}); Ctrl-C stops and saves`)
  const runFolder = path.join(out, 'run')
  const run = await pretrain(configuration, { out: runFolder, signal, onProgress: options.onProgress, onNote })

  onNote('3/5  drawing what the model predicts for hidden patches')
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

  onNote('4/5  exporting the encoder and checking the file')
  const check = await clipsForCheck(runFolder, files[0], new RandomStream('demo'))
  const encoder = await exportEncoder(runFolder, {
    out: path.join(out, 'encoder.onnx'),
    clips: check,
    compareWith: 'reference',
  })

  const [train, test] = [Math.ceil(1.2 * clips), Math.ceil(0.4 * clips)]
  onNote(
    `5/5  certifying classifiers on ${train} labeled videos that the encoder has not seen, and on the same model with random weights`,
  )
  const certified = { out, run: runFolder, train, test }
  const certificates = await certifyDemo({ ...certified, engine, threads: options.threads, signal })
  const pages = [out, certificates.pretrained.folder]
  for (const [i, page] of pages.entries()) pages[i] = (await writeReport(page)).file
  return { videos, run, loss: await firstAndLastLoss(runFolder), reconstructions, encoder, certificates, pages }
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
  for (const made of madeFolders) await rm(path.join(out, made), { recursive: true, force: true })
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
