import path from 'node:path'
import { writeReport } from '../report/results/write-report.ts'
import type { CommonOptions } from './run.ts'

export interface ReportCommandOptions extends CommonOptions {
  /** HTML file. Default: report.html beside the result. */
  readonly out?: string
}

const kinds = { certificate: 'a certificate' } as const

/** `videomae report`. */
export async function reportCommand(place: string, { json = false, out }: ReportCommandOptions): Promise<void> {
  const written = await writeReport(place, { out })
  if (json) {
    process.stdout.write(`${JSON.stringify(written)}\n`)
    return
  }
  const { kind, source, file, bytes } = written
  process.stdout.write(
    `${path.relative('.', source) || source} is ${kinds[kind]}\npage  ${path.relative('.', file) || file} (${Math.ceil(bytes / 1000)} kB)\n`,
  )
}
