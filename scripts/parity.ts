// Compares engines with what the original implementation computed: npm run parity -- DIR [--engine NAME] [--json]
import { Command } from 'commander'
import { invalidArgument } from '../src/core/errors.ts'
import { engineNamed, engineNames } from '../src/graph.ts'
import { exitCodes, VideoMaeError } from '../src/index.ts'
import { type ParityReport, runParity } from '../src/train/parity.ts'

interface Options {
  readonly engine?: string
  readonly threads?: string
  readonly json?: boolean
}

const program = new Command('parity')
  .description('Compare an engine with the results of the original implementation in DIR.')
  .argument('<dir>', 'directory with pretrain/, classify/, clip.u8, mask.json and the expected results')
  .option('--engine <name>', `one of ${engineNames.join(', ')}; default: every one that this machine can run`)
  .option('--threads <n>', 'threads of the engine')
  .option('--json', 'print the report as JSON')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? exitCodes.success : exitCodes.usage))

async function main(): Promise<number> {
  program.parse()
  const [directory] = program.args
  const { engine, threads, json = false } = program.opts<Options>()
  const threadCount = threads === undefined ? undefined : Number(threads)
  if (threadCount !== undefined && !(Number.isInteger(threadCount) && threadCount > 0)) {
    throw invalidArgument('--threads', 'a positive integer', threads)
  }
  const reports: ParityReport[] = []
  for (const name of engine === undefined ? engineNames : [engine]) {
    const candidate = await engineNamed(name)
    const { available, detail } = await candidate.probe()
    if (!available) {
      const error = new VideoMaeError(`The engine ${name} cannot run here: ${detail}`, {
        code: 'ENGINE_UNAVAILABLE',
        exit: 'environment',
      })
      if (engine !== undefined) throw error
      console.error(`skipped: ${error.message}`)
      continue
    }
    const report = await runParity(directory, candidate, { threads: threadCount })
    reports.push(report)
    if (!json) printReport(report)
  }
  if (json) console.log(JSON.stringify(reports, null, 2))
  return reports.length > 0 && reports.every(({ passed }) => passed) ? exitCodes.success : exitCodes.checkFailed
}

function printReport({ engine, lines, passed }: ParityReport): void {
  console.log(`engine ${engine}`)
  const cells = lines.map((line) => [
    line.quantity,
    String(line.values),
    line.difference.toExponential(2),
    line.tolerance.toExponential(0),
    line.passed ? 'ok' : 'FAILED',
    line.worst,
  ])
  const rows = [['quantity', 'values', 'max rel. difference', 'tolerance', '', 'largest at'], ...cells]
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  for (const row of rows) console.log(`  ${row.map((cell, i) => cell.padEnd(widths[i])).join('  ')}`.trimEnd())
  console.log(passed ? 'all within tolerance' : 'NOT within tolerance')
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof VideoMaeError)) throw error
  console.error(`${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}`)
  process.exitCode = exitCodes[error.exit]
}
