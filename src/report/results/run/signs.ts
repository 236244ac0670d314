/** Signs of learning that a pretraining run has written down. */
import path from 'node:path'
import { z } from 'zod'
import { signsFile } from '../../../train/file-names.ts'
import { signsWarnings } from '../../../train/signs/run-signs.ts'
import type { Block } from '../../page/model.ts'
import { counted, countText, percentText, significant } from '../../page/numbers.ts'
import { readResultLines } from '../read-file.ts'

const signs = z.object({
  step: z.number(),
  arrowOfTime: z.number(),
  flowDirection: z.number(),
  effectiveRank: z.number(),
  videos: z.number(),
})
export type WrittenSigns = z.infer<typeof signs>

/** @throws VideoMaeError `RESULTS_INVALID`, `HISTORY_UNREADABLE` */
export function writtenSigns(run: string): Promise<WrittenSigns[]> {
  return readResultLines(path.join(run, signsFile), signs)
}

/** Both shares in one figure, and the rank in another; numbers alone after one measurement, nothing where there is none. */
export function signsBlocks(lines: readonly WrittenSigns[]): Block[] {
  const last = lines.at(-1)
  if (last === undefined) return []
  const first = lines[0]
  // A curve needs two points: lines from one point to its label would look like curves.
  if (lines.length === 1) return [signsFacts(last)]
  const steps = { label: 'step', values: 'whole' } as const
  const change = (of: (line: WrittenSigns) => number, shown: (value: number) => string): string =>
    `${shown(of(first))} at step ${countText(first.step)}, ${shown(of(last))} at step ${countText(last.step)}`
  const flow = change(({ flowDirection }) => flowDirection, percentText)
  const arrow = change(({ arrowOfTime }) => arrowOfTime, percentText)
  const rank = change(
    ({ effectiveRank }) => effectiveRank,
    (value) => significant(value),
  )
  return [
    ...signsWarnings(lines).map((text): Block => ({ kind: 'warning', text })),
    {
      kind: 'chart',
      chart: {
        x: steps,
        y: { label: 'accuracy', values: 'shares', range: [0, 1] },
        curves: [
          { name: 'direction of flow', points: lines.map(({ step, flowDirection }) => [step, flowDirection]) },
          { name: 'arrow of time', points: lines.map(({ step, arrowOfTime }) => [step, arrowOfTime]) },
        ],
      },
      text: `Signs of learning over the steps. Direction of flow: ${flow}. Arrow of time: ${arrow}. Chance is 50 %.`,
      caption: `Accuracy of ridge heads on frozen features of ${countText(last.videos)} training videos, without labels. Direction of flow: where the picture moves (${flow}). Arrow of time: forward or backward (${arrow}). Chance is 50 %, the standard error about ${percentText(0.5 / Math.sqrt(Math.max(1, last.videos)))}.`,
    },
    {
      kind: 'chart',
      chart: {
        x: steps,
        y: { label: 'effective rank' },
        curves: [{ name: 'effective rank', points: lines.map(({ step, effectiveRank }) => [step, effectiveRank]) }],
      },
      text: `Effective rank of the mean features over the steps: ${rank}.`,
      caption: `Effective rank of the mean features (RankMe): the number of directions that they use (${rank}). A value near 1 means that the features have collapsed.`,
    },
  ]
}

function signsFacts({ step, flowDirection, arrowOfTime, effectiveRank, videos }: WrittenSigns): Block {
  const note = `at step ${countText(step)}; chance is 50 %`
  return {
    kind: 'facts',
    facts: [
      { label: 'direction of flow', value: percentText(flowDirection), note },
      { label: 'arrow of time', value: percentText(arrowOfTime), note },
      { label: 'effective rank', value: significant(effectiveRank), note: `at step ${countText(step)}` },
      { label: 'measured on', value: counted(videos, 'video'), note: 'of the training, without labels' },
    ],
  }
}
