import path from 'node:path'
import { type FinetuneMode, finetuneSchema } from '../finetune/configuration.ts'
import { formatEvaluation } from '../finetune/evaluate.ts'
import { type FinetuneResult, finetune } from '../finetune/finetune.ts'
import { loadConfiguration, type Override, parseOverride } from '../train/configuration-file.ts'
import { formatSeconds, ProgressDisplay } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { plainConfiguration } from '../train/resolve.ts'
import { type CommonOptions, interruptSignal } from './run.ts'

export interface FinetuneCommandOptions extends CommonOptions {
  /** A folder per class or a list; replaces what the recipe says. */
  readonly data?: string
  /** Checkpoint, run folder, Hugging Face directory, or `scratch`. */
  readonly from?: string
  readonly mode?: FinetuneMode
  /** Name of a recipe or a YAML file; default: the defaults of every key. */
  readonly recipe?: string
  /** `key=value`, dotted keys. */
  readonly set?: readonly string[]
  readonly shots?: number
  /** Folder of the run; default: checkpoints/finetune-<mode>. */
  readonly out?: string
  readonly resume?: boolean
  readonly engine?: string
  readonly threads?: number
  readonly seed?: number
  readonly printConfig?: boolean
  readonly quiet?: boolean
}

/** `videomae finetune`. Progress goes to stderr, the result to stdout. */
export async function finetuneCommand(options: FinetuneCommandOptions): Promise<void> {
  const { json = false, quiet = false, recipe } = options
  const file = recipe === undefined ? undefined : recipeFile(recipe, 'finetune')
  const configuration = await loadConfiguration(finetuneSchema, { file, overrides: overridesOf(options) })
  if (options.printConfig === true) {
    const plain = { ...configuration, ...plainConfiguration(configuration) }
    process.stdout.write(`${JSON.stringify(plain, null, json ? undefined : 2)}\n`)
    return
  }
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  const interrupt = interruptSignal()
  try {
    const result = await finetune(configuration, {
      out: options.out ?? path.join('checkpoints', `finetune-${configuration.mode}`),
      resume: options.resume,
      signal: interrupt.signal,
      onProgress: (progress) => display.update(progress),
      onFeatures(done, total) {
        if (!quiet && process.stderr.isTTY)
          process.stderr.write(`\rfeatures ${done}/${total} videos${done === total ? '\r\u001b[2K' : ''}`)
      },
      onNote: (note) => display.note(note),
    })
    display.end()
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : summary(result))
  } finally {
    display.end()
    interrupt.dispose()
  }
}

/** Options that stand for keys of the configuration; `--set` comes first, so the plain option wins. */
function overridesOf(options: FinetuneCommandOptions): Override[] {
  const plain: [readonly string[], unknown, string][] = [
    [['data', 'path'], options.data, 'DATA'],
    [['data', 'shots'], options.shots, '--shots'],
    [['model', 'from'], options.from, '--from'],
    [['mode'], options.mode, '--mode'],
    [['engine', 'name'], options.engine, '--engine'],
    [['engine', 'threads'], options.threads, '--threads'],
    [['seed'], options.seed, '--seed'],
  ]
  return [
    ...(options.set ?? []).map(parseOverride),
    ...plain.flatMap(([key, value, origin]) =>
      value === undefined ? [] : [{ path: key, value, origin: `${origin} ${value}` }],
    ),
  ]
}

function summary({ videos, validation, test, chosen, classifier, run, seconds }: FinetuneResult): string {
  const { train, validation: held, test: tested } = videos
  const validated =
    validation === null ? '' : `validation ${(100 * validation.accuracy).toFixed(1)} % at the chosen ${chosen}\n`
  return (
    `${train} training, ${held} validation and ${tested} test videos; ${formatSeconds(seconds)}\n${validated}` +
    (test === null ? 'no test videos\n' : formatEvaluation(test)) +
    `classifier  ${classifier}\nsplit       ${path.join(run, 'split.csv')}\n`
  )
}
