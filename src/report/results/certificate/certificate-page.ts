/** The page of a certificate: claim and conditions first, then numbers. */
import { accuracyWarnings } from '../../../certify/files/certificate-file.ts'
import { encoderNotCovered } from '../../../certify/threat/threat.ts'
import { code, isolated, type Part } from '../../page/html.ts'
import type { Block, Page, Section } from '../../page/model.ts'
import { counted, countText, percentText } from '../../page/numbers.ts'
import { accuracyFigures, certifiedAt, certifiedWithin, radiusFigure, runTable } from './certified-accuracy.ts'
import { dataSection } from './data.ts'
import type { CertificateFacts, CertifiedRun } from './facts.ts'
import { classBlocks, className, mostRuns, weakestBlocks } from './inputs.ts'
import { targetBlocks } from './targets.ts'
import { verifySection } from './verification.ts'
import { encoderSentence, methodSentences, threatSentence, unitWord } from './words.ts'

export function certificatePage(facts: CertificateFacts): Page {
  return {
    kind: 'certificate',
    title: 'How much poisoned training data these predictions tolerate',
    lead: leadOf(facts),
    sections: [
      claimSection(facts),
      resultSection(facts),
      perRun('Classes', facts, classBlocks, 'The certificate has no inputs with a known class.'),
      perRun('Weakest inputs', facts, weakestBlocks, 'The certificate does not list its inputs (--no-per-input).'),
      dataSection(facts),
      verifySection(facts),
    ],
    sources: [facts.source],
  }
}

function leadOf(facts: CertificateFacts): Part[] {
  const [one] = unitWord(facts)
  const { threat } = facts
  const counted_: Part =
    threat === null
      ? `Another system made the votes. How that system was trained determines what one poisoned ${one} is: see the conditions.`
      : [`One ${one} of poison is: `, threat.unit, '.']
  return [
    [threat === null ? '' : threatSentence(threat), threat === null ? '' : ' ', counted_],
    `This certificate proves for each test input how many ${unitWord(facts)[1]} cannot change its prediction, if the conditions below hold. It does not find poison, and it does not say that a prediction is right.`,
    ...resultSentence(facts),
  ]
}

function resultSentence(facts: CertificateFacts): Part[] {
  const { runs } = facts
  const [one, many] = unitWord(facts)
  if (runs.length > 1)
    return [
      `It covers ${countText(runs.length)} predictors (rules and numbers of partitions). Each is a separate predictor: choose one before you look at its radii.`,
    ]
  const [{ summary, inputs }] = runs
  if (summary === null)
    return [
      `No true class of its ${counted(inputs?.length ?? 0, 'input')} is known, so it says nothing about accuracy.`,
    ]
  const right = Math.round(summary.cleanAccuracy * summary.inputs)
  const kept = Math.round(certifiedAt(summary, 1) * summary.inputs)
  const median = summary.medianRadius
  return [
    [
      `Of ${counted(summary.inputs, 'input')}, ${countText(right)} (${percentText(summary.cleanAccuracy)}) ${right === 1 ? 'is' : 'are'} predicted right, and ${countText(kept)} (${percentText(certifiedAt(summary, 1))}) stay right whatever one ${one} of poison does. `,
      median === null
        ? 'Fewer than half are right, so there is no median radius.'
        : median === 0
          ? `At least half are predicted right, but fewer than half stay right whatever one ${one} does: the median radius is 0.`
          : `At least half of all inputs are right and tolerate ${counted(median, one, many)}.`,
    ],
  ]
}

function claimSection(facts: CertificateFacts): Section {
  const { threat, conditions } = facts
  const blocks: Block[] = []
  if (threat === null)
    blocks.push({
      kind: 'text',
      text: 'The certificate counts the votes of another system. It claims: if at most r units of the training data change, and the conditions hold, the prediction on this input stays the same, for every r up to the radius.',
    })
  else
    blocks.push(
      { kind: 'text', text: [`The claim, as the certificate states it: “`, isolated(threat.claim), '”'] },
      { kind: 'text', text: encoderSentence(threat.encoder) },
    )
  blocks.push(
    { kind: 'text', text: 'It is valid if all of these conditions are true. The program cannot check them:' },
    { kind: 'list', items: conditions.map(isolated) },
  )
  if (threat !== null)
    blocks.push({ kind: 'text', text: 'It does not cover:' }, { kind: 'list', items: limitsOf(threat).map(isolated) })
  return { heading: 'Claim and conditions', blocks }
}

/** Without a trained encoder, there is no data that one was trained on. */
function limitsOf({ notCovered, encoder }: NonNullable<CertificateFacts['threat']>): readonly string[] {
  return encoder.trust === 'fixed' ? notCovered.filter((limit) => limit !== encoderNotCovered) : notCovered
}

function resultSection(facts: CertificateFacts): Section {
  const { runs, baseline } = facts
  const blocks: Block[] = [
    { kind: 'text', text: methodSentences({ ...facts, learner: facts.training?.learner ?? null }) },
  ]
  const [first] = runs
  if (runs.length === 1 && first.summary !== null) {
    const { summary } = first
    const [one, many] = unitWord(facts)
    blocks.push({
      kind: 'facts',
      facts: [
        {
          label: 'right, without poison',
          value: percentText(summary.cleanAccuracy),
          note: `95 %: ${within(certifiedWithin(summary, 0))}`,
        },
        {
          label: `right, whatever 1 ${one} does`,
          value: percentText(certifiedAt(summary, 1)),
          note: `95 %: ${within(certifiedWithin(summary, 1))}`,
        },
        {
          label: 'median radius',
          value: summary.medianRadius ?? 'none',
          note: summary.medianRadius === null ? 'fewer than half are right' : many,
        },
        ...(baseline === null
          ? []
          : [
              {
                label: 'baseline, not certified',
                value: percentText(baseline.accuracy),
                note: ['always ', isolated(baseline.name), ', the most frequent class'],
              },
            ]),
      ],
    })
  }
  blocks.push(...accuracyFigures(facts))
  for (const { name, summary, inputs } of runs)
    if (summary === null && inputs !== null && inputs.length > 0) blocks.push(radiusFigure(facts, name, inputs))
  blocks.push(...runTable(facts), ...remarks(facts), ...collectiveBlocks(facts), ...targetBlocks(facts))
  return { heading: 'Result', blocks }
}

/** `82.5 % (68.0 to 91.3 %)` without the value. */
const within = (text: string): string => /\((.*)\)/.exec(text)?.[1] ?? text

function remarks(facts: CertificateFacts): Block[] {
  const { runs, baseline } = facts
  const warnings = new Map<string, string[]>()
  for (const run of runs)
    for (const text of [...accuracyWarnings(run, baseline, (index) => className(facts, index)), ...run.warnings])
      warnings.set(text, [...(warnings.get(text) ?? []), run.name])
  const inexact = runs.filter(
    ({ exactRadii, inputs }) => exactRadii !== null && inputs !== null && exactRadii < inputs.length,
  )
  return [
    ...[...warnings].map(
      ([text, names]): Block => ({ kind: 'warning', text: [isolated(names.join(', ')), ': ', isolated(text), '.'] }),
    ),
    ...inexact.map(
      (run): Block => ({
        kind: 'text',
        text: [
          isolated(run.name),
          `: ${run.exactRadii} of ${run.inputs?.length} radii are exact, the others are lower bounds.`,
        ],
      }),
    ),
  ]
}

function collectiveBlocks({ runs }: CertificateFacts): Block[] {
  const rows = runs.flatMap(({ name, summary, collective }) =>
    (collective ?? []).map(({ budget, changedAtMost, certifiedAccuracy }) => [
      isolated(name),
      budget,
      changedAtMost,
      percentText(certifiedAccuracy),
      summary === null ? '' : percentText(certifiedAt(summary, budget)),
    ]),
  )
  if (rows.length === 0) return []
  return [
    {
      kind: 'table',
      caption:
        'The whole test set under one poisoned training set: the same poisoned samples cannot break all inputs at once',
      columns: [
        { title: 'predictor' },
        { title: 'units', align: 'number' },
        { title: 'right predictions that may change, at most', align: 'number' },
        { title: 'stay right together', align: 'number' },
        { title: 'input by input', align: 'number' },
      ],
      rows: rows.slice(0, 100),
      note: rows.length > 100 ? `${rows.length - 100} more in the certificate.` : undefined,
    },
  ]
}

/** A section with something of each run: open where there is one, folded where there are several. */
function perRun(
  heading: string,
  facts: CertificateFacts,
  blocksOf: (facts: CertificateFacts, run: CertifiedRun) => Block[],
  none: string,
): Section {
  const listed = facts.runs.filter(({ inputs }) => inputs !== null)
  const found = listed
    .slice(0, mostRuns)
    .map((run) => ({ run, blocks: blocksOf(facts, run) }))
    .filter(({ blocks }) => blocks.length > 0)
  if (found.length === 0) return { heading, blocks: [{ kind: 'text', text: none }] }
  if (found.length === 1) return { heading, blocks: found[0].blocks }
  const blocks = found.map(
    ({ run, blocks }, i): Block => ({ kind: 'fold', summary: isolated(run.name), open: i === 0, blocks }),
  )
  const left = listed.length - mostRuns
  if (left > 0)
    blocks.push({
      kind: 'text',
      text: [code(facts.source.file), ` has the inputs of ${counted(left, 'more predictor')}.`],
    })
  return { heading, blocks }
}
