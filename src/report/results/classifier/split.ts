/** Which videos trained, chose and tested the classifier. */
import { splitNames } from '../../../dataset/split-part.ts'
import { isolated } from '../../page/html.ts'
import type { Block, Section } from '../../page/model.ts'
import { counted, countText } from '../../page/numbers.ts'
import type { ClassifierFacts, SplitVideo } from './facts.ts'

const mostFailures = 40

export function splitSection({ run, evaluation }: ClassifierFacts): Section {
  const split = run?.split ?? null
  const blocks: Block[] =
    split === null
      ? [
          {
            kind: 'text',
            text:
              run === null
                ? 'These are only the results of evaluate: they do not say how the videos were split, or on which videos the classifier was trained.'
                : 'The run has no split.csv yet: its videos were not split.',
          },
        ]
      : splitBlocks(split)
  const failures = evaluation?.failures ?? []
  if (failures.length > 0)
    blocks.push({
      kind: 'table',
      caption: 'Test videos that could not be read: not part of any number above',
      columns: [{ title: 'video' }, { title: 'code' }, { title: 'reason' }],
      rows: failures
        .slice(0, mostFailures)
        .map(({ id, code, reason }) => [isolated(id), isolated(code), isolated(reason)]),
      note:
        failures.length > mostFailures
          ? `${countText(failures.length - mostFailures)} more in evaluation.json.`
          : undefined,
    })
  return { heading: 'Split and groups', blocks }
}

function splitBlocks(split: readonly SplitVideo[]): Block[] {
  const grouped = split.some(({ group }) => group !== undefined)
  const parts = splitNames.map((name) => ({ name, videos: split.filter(({ part }) => part === name) }))
  const use = { train: 'to train', validation: 'to choose the best', test: 'to test once, at the end' }
  const across = grouped ? groupsAcross(split) : []
  return [
    {
      kind: 'table',
      caption: 'Videos of each part',
      columns: [
        { title: 'part' },
        { title: 'videos', align: 'number' },
        { title: 'groups', align: 'number' },
        { title: 'classes', align: 'number' },
        { title: 'use' },
      ],
      rows: parts.map(({ name, videos }) => [
        name,
        countText(videos.length),
        grouped ? countText(new Set(videos.map(({ group, path }) => group ?? path)).size) : 'none named',
        countText(new Set(videos.map(({ label }) => label)).size),
        use[name],
      ]),
    },
    ...(across.length > 0
      ? [
          {
            kind: 'warning',
            text: [
              `${counted(across.length, 'group')} of videos ${across.length === 1 ? 'is' : 'are'} on more than one side of the split (`,
              isolated(across.slice(0, 5).join(', ')),
              '), so accuracy may look better than it is.',
            ],
          } as const,
        ]
      : []),
    {
      kind: 'text',
      text: grouped
        ? 'A group contains videos that belong together, for example of one person.'
        : 'No groups are named. If clips of one recording are on both sides, accuracy measures how well the recording is recognized.',
    },
  ]
}

function groupsAcross(split: readonly SplitVideo[]): string[] {
  const parts = new Map<string, Set<string>>()
  for (const { group, part } of split)
    if (group !== undefined) parts.set(group, (parts.get(group) ?? new Set()).add(part))
  return [...parts].filter(([, found]) => found.size > 1).map(([group]) => group)
}
