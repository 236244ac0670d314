import { writeReport } from '../report/results/write-report.ts'
import type { ReportCommandOptions } from './commands/report.ts'
import { shownPath } from './shown-path.ts'

const kinds = {
  certificate: 'a certificate',
  classifier: 'a fine-tuned classifier',
  pretraining: 'a pretraining run',
} as const

/** `videomae report`. */
export async function reportCommand(
  location: string,
  { json = false, ...options }: ReportCommandOptions,
): Promise<void> {
  const written = await writeReport(location, options)
  if (json) {
    process.stdout.write(`${JSON.stringify(written)}\n`)
    return
  }
  const { kind, source, file, bytes } = written
  process.stdout.write(
    `${shownPath(source)} is ${kinds[kind]}\npage  ${shownPath(file)} (${Math.ceil(bytes / 1000)} kB)\n`,
  )
}
