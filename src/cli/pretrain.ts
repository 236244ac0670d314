import path from 'node:path'
import { loadRunConfiguration, type Override, parseOverride } from '../train/configuration-file.ts'
import { type PretrainResult, planPretraining, pretrain } from '../train/pretrain.ts'
import { formatSeconds, ProgressDisplay } from '../train/progress.ts'
import { recipeFile } from '../train/recipes.ts'
import { formatRun, plainRun } from '../train/resolve.ts'
import { type CommonOptions, interruptSignal } from './run.ts'

export interface PretrainCommandOptions extends CommonOptions {
  /** Folder, list or manifest; replaces what the recipe says. */
  readonly data?: string
  /** Name of a recipe or a YAML file; default: the defaults of every key. */
  readonly recipe?: string
  /** `key=value`, dotted keys. */
  readonly set?: readonly string[]
  /** Folder of the run; default: checkpoints/<recipe>. */
  readonly out?: string
  readonly resume?: boolean
  readonly keep?: number
  readonly engine?: string
  readonly threads?: number
  readonly seed?: number
  readonly printConfig?: boolean
  readonly quiet?: boolean
}

/** `videomae pretrain`. Progress goes to stderr, the result to stdout. */
export async function pretrainCommand(options: PretrainCommandOptions): Promise<void> {
  const { json = false, quiet = false, recipe } = options
  const file = recipe === undefined ? undefined : recipeFile(recipe)
  const configuration = await loadRunConfiguration({ file, overrides: overridesOf(options) })
  if (options.printConfig === true) {
    const run = await planPretraining(configuration)
    process.stdout.write(json ? `${JSON.stringify(plainRun(run))}\n` : formatRun(run))
    return
  }
  const name = file === undefined ? 'pretrain' : path.basename(file).replace(/\.[^.]*$/, '')
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  const interrupt = interruptSignal()
  try {
    const result = await pretrain(configuration, {
      out: options.out ?? path.join('checkpoints', name),
      resume: options.resume,
      signal: interrupt.signal,
      onProgress: (progress) => display.update(progress),
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
function overridesOf(options: PretrainCommandOptions): Override[] {
  const plain: [readonly string[], unknown, string][] = [
    [['data', 'path'], options.data, 'DATA'],
    [['checkpoint', 'keep'], options.keep, '--keep'],
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

function summary(result: PretrainResult): string {
  const { steps, clips, seconds, loss, videos, badFiles, checkpoint, engine } = result
  const unreadable = badFiles.length === 0 ? '' : `, ${badFiles.length} unreadable (bad-files.jsonl)`
  return (
    `${steps} steps, ${clips} clips of ${videos} videos${unreadable} in ${formatSeconds(seconds)} on ${engine}\n` +
    `loss ${loss === null ? 'unknown' : loss.toFixed(4)}\n` +
    `checkpoint  ${checkpoint}\n`
  )
}
