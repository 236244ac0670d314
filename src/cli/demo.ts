import { percent } from '../core/percent.ts'
import type { DemoCertificates, DemoEnsemble } from '../demo/certified.ts'
import { type DemoResult, runDemo } from '../demo/demo.ts'
import { formatSeconds, ProgressDisplay } from '../train/progress.ts'
import type { DemoCommandOptions } from './commands/demo.ts'
import { interruptSignal } from './interrupt.ts'
import { invocation } from './invocation.ts'
import { openPage } from './open-page.ts'
import { requirePage } from './page.ts'
import { shownPath } from './shown-path.ts'

/** `videomae demo`. Progress goes to stderr, the result to stdout. */
export async function demoCommand({ json, ...options }: DemoCommandOptions): Promise<void> {
  const began = performance.now()
  const display = new ProgressDisplay({ stream: process.stderr, quiet: json })
  const interrupt = interruptSignal('Run the same command again.')
  try {
    await requirePage(true, options.out)
    const result = await runDemo({
      ...options,
      signal: interrupt.signal,
      onProgress: (progress) => display.update(progress),
      onNote: (note) => display.note(note),
    })
    display.end()
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(json ? `${JSON.stringify({ ...result, seconds })}\n` : summary(result, seconds))
    if (!json) openPage(result.pages[result.pages.length - 1])
  } finally {
    display.end()
    interrupt.dispose()
  }
}

/** Numbers of the ensemble on the pretrained encoder next to those on fresh weights, and what they promise. */
export function certificateText({ train, test, partitions, classes, pretrained, fresh }: DemoCertificates): string {
  const row = (what: string, of: (ensemble: DemoEnsemble) => string): string =>
    `  ${what.padEnd(52)}${of(pretrained).padStart(10)}${of(fresh).padStart(16)}`
  const share = (value: number | undefined): string => percent(value ?? 0)
  const budgets = [1, 2].filter((budget) => pretrained.certified.length > budget)
  const clips = Math.floor(train / partitions)
  const best = pretrained.certified.findLastIndex((value) => value > 0)
  return [
    `Certificate: ${train} labeled videos are divided among ${partitions} classifiers, ${clips} for each, which vote on ${test} other videos (chance ${percent(1 / classes)}).`,
    `  ${''.padEnd(52)}${'pretrained'.padStart(10)}${'fresh weights'.padStart(16)}`,
    row(`one classifier, ${clips} labels`, ({ single }) => share(single)),
    row('the vote', ({ accuracy }) => share(accuracy)),
    ...budgets.map((budget) =>
      row(`right, and proved against ${budget} poisoned video${budget === 1 ? '' : 's'}`, ({ certified }) =>
        share(certified[budget]),
      ),
    ),
    row('mean certified radius', ({ meanRadius }) => meanRadius.toFixed(2)),
    `The claim: an answer with radius r does not change when up to r videos are inserted into the labeled training videos or deleted from them${best > 0 ? `; the largest r here is ${best}` : ''}.`,
    'A changed video counts as two. The pages below state the conditions.',
  ].join('\n')
}

function summary(
  { videos, run, loss, reconstructions, encoder, certificates, pages }: DemoResult,
  seconds: number,
): string {
  const program = invocation()
  const pictures = reconstructions.map(({ picture, animation }) => `  ${shownPath(picture)}, ${shownPath(animation)}`)
  const certified = shownPath(certificates.pretrained.folder)
  return `
Done in ${formatSeconds(seconds)}. Loss ${loss.first.toFixed(4)} -> ${loss.last.toFixed(4)} over ${run.steps} steps, ${run.clips} clips.
${run.warnings.map((warning) => `warning: ${warning}\n`).join('')}
${certificateText(certificates)}

videos            ${shownPath(videos)}, labeled: ${shownPath(certificates.list)}
run               ${shownPath(run.run)} (metrics.jsonl, TensorBoard events, checkpoints)
checkpoint        ${shownPath(run.checkpoint)} (Hugging Face layout)
encoder           ${shownPath(encoder.files[0])} (largest difference from the ${encoder.check.engine} engine ${encoder.check.largestDifference.toExponential(1)})
reconstructions   original | masked | prediction | prediction + true patch mean and std:
${pictures.join('\n')}
certificate       ${certified}/certificate.json
pages             ${pages.map(shownPath).join(', ')}

Next:
  ${program} predict ${shownPath(videos)} --certified ${certified}
  ${program} verify ${certified}
On your own videos:
  ${program} inspect FOLDER
  ${program} pretrain FOLDER --recipe laptop-pretrain
`
}
