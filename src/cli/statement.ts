import { attestCertificate } from '../certify/attest/attest.ts'
import { progressOf } from './certify-options.ts'
import type { StatementCommandOptions } from './commands/statement.ts'
import { interruptSignal } from './interrupt.ts'
import { printResult } from './print-result.ts'

/** `videomae statement`. */
export async function statementCommand(location: string, options: StatementCommandOptions): Promise<void> {
  const { json = false, quiet = false, audit } = options
  const interrupt = interruptSignal('No file was written. Run the same command again.')
  try {
    const { signal } = interrupt
    const { statement, missing, file } = await attestCertificate(location, {
      audit,
      signal,
      onProgress: progressOf(quiet),
    })
    const subjects = statement.subject.map(({ name, digest }) => `subject  ${digest.sha256}  ${name}`)
    const lacks = missing.map((name) => `missing  ${name}, so the statement is not about it`)
    printResult(json, { file, missing, statement }, [...subjects, ...lacks, `wrote    ${file}`].join('\n'))
  } finally {
    interrupt.dispose()
  }
}
