/** What a run folder says of its training, for pretraining and full fine-tuning alike. */
import path from 'node:path'
import { z } from 'zod'
import { RunDirectory } from '../../../train/run-directory.ts'
import { readResultFile, readResultLines } from '../read-file.ts'

const line = z.object({
  step: z.number(),
  clips: z.number(),
  loss: z.number(),
  meanLoss: z.number().optional(),
  learningRate: z.number(),
  clipsPerSecond: z.number().nullable().default(null),
  dataWait: z.number().nullable().default(null),
  memory: z.number(),
  engineMemory: z.number().optional(),
  seconds: z.number(),
})
export type MeasuredLine = z.infer<typeof line>

const badFile = z.object({ id: z.string(), path: z.string(), code: z.string().default(''), reason: z.string() })

/** `config.json`: values by their keys, whatever they are. */
export const configurationSchema = z.record(z.string(), z.unknown())
export type Configuration = z.infer<typeof configurationSchema>

const trainerState = z.object({ step: z.number(), engine: z.string(), engineVariant: z.string().optional() })

export interface TrainingFacts {
  readonly configuration: Configuration
  /** Steps that the run is to have; null where it does not say. */
  readonly planned: number | null
  /** Of pretraining. */
  readonly videos: number | null
  readonly parameters: number | null
  readonly lines: readonly MeasuredLine[]
  readonly badFiles: readonly z.infer<typeof badFile>[]
  /** Steps of the checkpoints that are there, newest first. */
  readonly checkpoints: readonly number[]
  readonly engine: string | null
  /** Which kernels of the engine, where it has several. */
  readonly engineVariant: string | null
}

/** @throws VideoMaeError `RESULTS_INVALID`, `HISTORY_UNREADABLE` */
export async function trainingFacts(run: string): Promise<TrainingFacts> {
  const configuration = (await readResultFile(path.join(run, 'config.json'), configurationSchema)) ?? {}
  const directory = new RunDirectory(run)
  const checkpoints = await directory.checkpointSteps()
  const state =
    checkpoints.length === 0
      ? null
      : await readResultFile(path.join(directory.checkpointPath(checkpoints[0]), 'trainer-state.json'), trainerState)
  const { engineUsed, derived } = configuration
  const number = (key: string): number | null => {
    const found = typeof derived === 'object' && derived !== null ? Reflect.get(derived, key) : null
    return typeof found === 'number' ? found : null
  }
  return {
    configuration,
    planned: number('steps'),
    videos: number('videos'),
    parameters: number('parameters'),
    lines: await readResultLines(path.join(run, 'metrics.jsonl'), line),
    badFiles: await readResultLines(path.join(run, 'bad-files.jsonl'), badFile),
    checkpoints,
    engine: typeof engineUsed === 'string' ? engineUsed : (state?.engine ?? null),
    engineVariant: state?.engineVariant ?? null,
  }
}
