import { grouped } from '../core/grouped.ts'
import { ignoresOption } from '../engine/ignored-options.ts'
import { formatBytes, formatNeed } from '../train/memory-need.ts'
import type { RunStart } from '../train/run-start.ts'

/** What a run is, for a reader: printed before anything big is allocated. */
export function formatStart(start: RunStart): string {
  const { videos, classes, model, parameters, engine, threads, folder, memory } = start
  const rows: readonly [string, string][] = [
    ['videos', `${grouped(videos)}${classes === undefined ? '' : ` for training, ${grouped(classes)} classes`}`],
    ['model', `${model}; ${(parameters / 1e6).toFixed(1)} million parameters`],
    ['training', trainingOf(start)],
    [
      'engine',
      ignoresOption(engine, 'threads') ? engine : `${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    ],
    ['memory', `${formatNeed(memory)}; ${formatBytes(memory.available)} available`],
    ['folder', folder],
  ]
  return rows.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n')
}

function trainingOf({ head, steps, clips, clipsPerRun, runsPerStep, ranks = 1 }: RunStart): string {
  if (head !== undefined) {
    const then = head.mode === 'ridge' ? ', solved directly' : `: ${grouped(steps)} steps of ${clipsPerRun} rows`
    return `features of ${grouped(head.features)} clips, then a head of mode ${head.mode}${then}`
  }
  const each = runsPerStep === 1 ? `${clipsPerRun}` : `${runsPerStep} runs of ${clipsPerRun}`
  const runs = ranks > 1 ? ` (${ranks} ranks, ${each} on each)` : runsPerStep === 1 ? '' : ` (${each})`
  return `${grouped(steps)} steps of ${clipsPerRun * runsPerStep * ranks} clips${runs}, ${grouped(clips)} clips in all`
}
