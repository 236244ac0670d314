/** What was protected, what was predicted, and what was left out and why. */
import { leftOutSummary } from '../../../certify/videos/reading.ts'
import { seenRemarks } from '../../../certify/videos/seen-inputs.ts'
import { code, digest, isolated, type Part } from '../../page/html.ts'
import type { Block, Section } from '../../page/model.ts'
import { counted, countText } from '../../page/numbers.ts'
import type { CertificateFacts } from './facts.ts'
import { learnerWord } from './words.ts'

type Data = NonNullable<CertificateFacts['data']>

/** Rows that are named. */
const mostRows = 40

export function dataSection(facts: CertificateFacts): Section {
  const { data, votes, training } = facts
  const heading = 'Data, and what was left out'
  if (data !== undefined) return { heading, blocks: [...dataBlocks(facts, data), ...leftOutBlocks(data)] }
  if (training !== null)
    return {
      heading,
      blocks: [
        {
          kind: 'text',
          text: `${counted(training.rows, 'row')} of ${counted(training.videos, 'video')} are protected. Features were certified, not videos: the certificate does not say how the features were read, or what was left out earlier.`,
        },
      ],
    }
  return {
    heading,
    blocks:
      votes === null ? [{ kind: 'text', text: 'The certificate does not name a file of votes.' }] : votesBlocks(votes),
  }
}

function dataBlocks({ training, classNames }: CertificateFacts, data: Data): Block[] {
  const {
    source,
    test,
    rows,
    protected: protectedVideos,
    predicted,
    division,
    classes,
    classesFrom,
    trusted,
    seen,
  } = data
  const named = classes === 'any' ? (classNames?.length ?? 2) - 2 : (classNames?.length ?? 0)
  const facts = [
    { label: 'protected', value: countText(protectedVideos), note: 'training videos that may be poisoned' },
    { label: 'predicted', value: countText(predicted), note: 'inputs with a certificate each' },
    { label: 'left out', value: countText(data.leftOut.length), note: `of ${counted(rows, 'row')}` },
    {
      label: 'classes',
      value: countText(named),
      note: classes === 'any' ? 'found; the claim holds for any classes' : ['declared: ', isolated(classesFrom)],
    },
  ]
  const about: Part[] = [
    ['Read from ', code(source), test === null ? '' : [' and ', code(test)], '.'],
    [' Sides: ', isolated(division), '.'],
    training === null ? '' : [' Base classifier: ', isolated(learnerWord(training.learner)), '.'],
    trusted === null
      ? ' Features were not scaled with other videos.'
      : [
          ` The scale of features comes from ${counted(trusted.videos, 'trusted video')} of `,
          code(trusted.source),
          '.',
        ],
  ]
  return [
    { kind: 'facts', facts },
    { kind: 'text', text: about },
    ...seenRemarks(seen).map((text): Block => ({ kind: 'warning', text })),
    ...(seen.open === null
      ? []
      : [
          {
            kind: 'text',
            text: ['Encoders may have been trained on more of the inputs than is known: ', isolated(seen.open), '.'],
          } as const,
        ]),
  ]
}

function leftOutBlocks({ leftOut, trusted }: Data): Block[] {
  const all = [...leftOut, ...(trusted?.leftOut ?? [])]
  if (all.length === 0) return [{ kind: 'text', text: 'Nothing was left out.' }]
  const shown = all.slice(0, mostRows)
  const sides = { training: 'training', test: 'test', trusted: 'trusted' }
  return [
    { kind: 'text', text: `${leftOutSummary(all)}.` },
    {
      kind: 'table',
      caption: 'Rows that are neither protected nor predicted, each with the reason',
      columns: [{ title: 'row' }, { title: 'side' }, { title: 'kind' }, { title: 'reason' }],
      rows: shown.map(({ id, side, code: kind, reason }) => [
        isolated(id),
        side === null ? 'unknown' : sides[side],
        isolated(kind),
        isolated(reason),
      ]),
      note:
        all.length > shown.length
          ? `${countText(all.length - shown.length)} more in the certificate (data.leftOut).`
          : undefined,
    },
  ]
}

function votesBlocks(votes: NonNullable<CertificateFacts['votes']>): Block[] {
  const { file, sha256, kind, inputs, learners, ids, labels, unknownLabels, abstentions, notUsed } = votes
  return [
    {
      kind: 'text',
      text: [
        `${kind === 'scores' ? 'Scores' : 'Votes'} of ${counted(learners, 'base classifier')} on ${counted(inputs, 'input')}, read from `,
        ...[code(file), ' (SHA-256 ', digest(sha256), '). '],
        ids === null ? 'The file names no inputs. ' : ['Inputs are named by column ', isolated(ids), '. '],
        labels === null
          ? 'It has no true classes.'
          : ['True classes are in column ', isolated(labels), `; ${countText(unknownLabels)} are not known.`],
        ` ${counted(abstentions, 'vote')} ${abstentions === 1 ? 'is' : 'are'} an abstention.`,
      ],
    },
    ...(notUsed.length === 0
      ? []
      : [{ kind: 'text', text: ['Columns that were not used: ', isolated(notUsed.join(', ')), '.'] } as const]),
  ]
}
