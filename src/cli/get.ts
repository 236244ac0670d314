import { invalidArgument } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { type GottenWeights, getWeights } from '../hub/get-weights.ts'
import { type KnownWeights, knownWeights, parseReference } from '../hub/reference.ts'
import { ProgressDisplay } from '../train/progress.ts'
import type { GetCommandOptions } from './commands/get.ts'
import { interruptSignal } from './interrupt.ts'
import { shownPath } from './shown-path.ts'

/** `videomae get`. Without a name: what can be had by name. */
export async function getCommand(
  name: string | undefined,
  folder: string | undefined,
  { json = false, quiet = false }: GetCommandOptions,
): Promise<void> {
  if (name === undefined) {
    const weights = knownWeights()
    process.stdout.write(json ? `${JSON.stringify({ weights })}\n` : listText(weights))
    return
  }
  const reference = parseReference(name)
  if (folder === undefined)
    throw invalidArgument('the folder', 'where to put the weights', folder, `videomae get ${name} FOLDER`)
  const interrupt = interruptSignal('Run the same command again: it continues the download.')
  const display = new ProgressDisplay({ stream: process.stderr, quiet })
  try {
    const gotten = await getWeights(reference, folder, {
      signal: interrupt.signal,
      onNote: (note) => display.note(note),
      onProgress: megabytes(display),
    })
    display.end()
    process.stdout.write(json ? `${JSON.stringify(gotten)}\n` : `${gottenLines(gotten).map(printable).join('\n')}\n`)
  } finally {
    display.end()
    interrupt.dispose()
  }
}

/** Progress of a download, given in bytes. */
export function megabytes(display: ProgressDisplay): (done: number, total: number) => void {
  const show = display.counter('MB')
  return (done, total) => show(done === total ? Math.ceil(total / 1e6) : Math.floor(done / 1e6), Math.ceil(total / 1e6))
}

/** What has come, and under which license. */
export function gottenLines(gotten: GottenWeights): string[] {
  const { folder, repository, commit, license, files, knownDigest, received } = gotten
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const shown = shownPath(folder)
  return [
    `${repository} at commit ${commit.slice(0, 12)}: ${files.map(({ name }) => name).join(', ')}`,
    `${megabytesOf(received)} received, ${megabytesOf(bytes)} in ${shown}`,
    knownDigest
      ? 'digests: match those of the hub; that of the weights also matches models/weights.json'
      : 'digests: match those of the hub; models/weights.json has no digest of these weights to compare with',
    `license: ${license ?? 'not named on its page'}${license?.includes('-nc') === true ? ' (no commercial use; it also covers classifiers that start from these weights)' : ''}`,
  ]
}

const megabytesOf = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

const kinds = {
  pretrained: 'encoder and decoder',
  encoder: 'encoder',
  classifier: 'classifier',
} as const

function listText(weights: readonly KnownWeights[]): string {
  const rows = weights.map(({ name, kind, parameters, data, license }) => [
    name,
    kinds[kind],
    `${Math.round(parameters * 4)} MB`,
    license,
    data,
  ])
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n\n\`videomae get NAME FOLDER\` downloads one. Others are named OWNER/NAME, as on huggingface.co.\n`
}
