import { formatBytes, formatNeed } from '../train/memory-need.ts'
import type { RunStart } from '../train/run-start.ts'

/** What a run is, for a reader: printed before anything big is allocated. */
export function formatStart(start: RunStart): string {
  const { videos, steps, clips, clipsPerRun, runsPerStep, model, parameters, engine, threads, folder, memory } = start
  const number = (value: number): string => value.toLocaleString('en')
  const runs = runsPerStep === 1 ? '' : ` (${runsPerStep} runs of ${clipsPerRun})`
  const rows: readonly [string, string][] = [
    ['videos', number(videos)],
    ['model', `${model}; ${(parameters / 1e6).toFixed(1)} million parameters`],
    ['training', `${number(steps)} steps of ${clipsPerRun * runsPerStep} clips${runs}, ${number(clips)} clips in all`],
    ['engine', engine === 'cuda' ? engine : `${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`],
    ['memory', `${formatNeed(memory)}; ${formatBytes(memory.available)} available`],
    ['folder', folder],
  ]
  return rows.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n')
}
