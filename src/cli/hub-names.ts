/** `hf:OWNER/NAME` in the place of a checkpoint: the weights are downloaded before the command begins, which then has a folder. */
import type { Command } from 'commander'
import { hubPrefix } from '../hub/prefix.ts'

/** Options and arguments that name weights. In `--set` they come after the key. */
const options = ['from', 'encoder', 'set'] as const
const argument = 'checkpoint'
const pattern = new RegExp(`^(model\\.(?:from|like)=)?(${hubPrefix}.+)$`)

/**
 * Replaces each name of the hub among the arguments of a command by the folder of its weights.
 *
 * @throws VideoMaeError as `weightsInCache`
 */
export async function replaceHubNames(command: Command): Promise<void> {
  for (const name of options) {
    const value: unknown = command.getOptionValue(name)
    const replaced = await replaceIn(value, command)
    if (replaced !== value) command.setOptionValueWithSource(name, replaced, 'cli')
  }
  for (const [i, { name }] of command.registeredArguments.map((each) => ({ name: each.name() })).entries()) {
    if (name === argument) command.processedArgs[i] = await replaceIn(command.processedArgs[i], command)
  }
}

async function replaceIn(value: unknown, command: Command): Promise<unknown> {
  if (Array.isArray(value)) {
    const replaced: unknown[] = []
    for (const each of value) replaced.push(await replaceIn(each, command))
    return replaced.some((each, i) => each !== value[i]) ? replaced : value
  }
  const [match, key = '', name] = typeof value === 'string' ? (pattern.exec(value) ?? []) : []
  return match === undefined ? value : `${key}${await folderOf(name, command.getOptionValue('quiet') === true)}`
}

async function folderOf(name: string, quiet: boolean): Promise<string> {
  // Loaded for those alone who ask for it.
  const [{ weightsInCache }, { parseReference }, { ProgressDisplay }, { gottenLines, megabytes }, { interruptSignal }] =
    await Promise.all([
      import('../hub/get-weights.ts'),
      import('../hub/reference.ts'),
      import('../train/progress.ts'),
      import('./get.ts'),
      import('./interrupt.ts'),
    ])
  const reference = parseReference(name)
  const interrupt = interruptSignal('Run the same command again: it continues the download.')
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  try {
    return await weightsInCache(reference, {
      signal: interrupt.signal,
      onNote: (note) => display.note(note),
      onProgress: megabytes(display),
      onGotten: (gotten) => {
        for (const line of gottenLines(gotten)) display.note(line)
      },
    })
  } finally {
    display.end()
    interrupt.dispose()
  }
}
