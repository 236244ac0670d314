import path from 'node:path'
import { type DemoResult, runDemo } from '../demo/demo.ts'
import { formatSeconds, ProgressDisplay } from '../train/progress.ts'
import type { DemoCommandOptions } from './commands/demo.ts'
import { interruptSignal } from './interrupt.ts'
import { invocation } from './invocation.ts'
import { requirePage, writePage } from './page.ts'

/** `videomae demo`. Progress goes to stderr, the result to stdout. */
export async function demoCommand({ json, report, ...options }: DemoCommandOptions): Promise<void> {
  const began = performance.now()
  const display = new ProgressDisplay({ stream: process.stderr, quiet: json })
  const interrupt = interruptSignal()
  try {
    await requirePage(report, options.out)
    const result = await runDemo({
      ...options,
      signal: interrupt.signal,
      onProgress: (progress) => display.update(progress),
      onNote: (note) => display.note(note),
    })
    display.end()
    const [page = null] = await writePage(report, options.out)
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(
      json ? `${JSON.stringify({ ...result, seconds, page })}\n` : summary(result, seconds, options.out, page),
    )
  } finally {
    display.end()
    interrupt.dispose()
  }
}

function summary(
  { videos, run, loss, reconstructions, encoder }: DemoResult,
  seconds: number,
  out: string,
  page: string | null,
): string {
  const shown = (file: string): string => path.relative('.', file) || file
  const program = invocation()
  const pictures = reconstructions.map(({ picture, animation }) => `  ${shown(picture)}, ${shown(animation)}`)
  return `
Done in ${formatSeconds(seconds)}. Loss ${loss.first.toFixed(4)} -> ${loss.last.toFixed(4)} over ${run.steps} steps, ${run.clips} clips.
${run.warnings.map((warning) => `warning: ${warning}\n`).join('')}
videos            ${shown(videos)}
run               ${shown(run.run)} (metrics.jsonl, TensorBoard events, checkpoints)
checkpoint        ${shown(run.checkpoint)} (Hugging Face layout)
encoder           ${shown(encoder.files[0])} (largest difference from the ${encoder.check.engine} engine ${encoder.check.largestDifference.toExponential(1)})
reconstructions   original | masked | prediction | prediction + true patch mean and std:
${pictures.join('\n')}
page              ${page === null ? `${program} report ${shown(out)} writes one` : shown(page)}

Next, on your own videos:
  ${program} inspect FOLDER
  ${program} pretrain FOLDER --recipe laptop-pretrain
  ${program} reconstruct checkpoints/laptop-pretrain VIDEO
  ${program} export checkpoints/laptop-pretrain --out ${path.join(out, 'mine.onnx')}
`
}
