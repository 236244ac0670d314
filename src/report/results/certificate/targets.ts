/** What it costs to make one class come out, in a certificate that was asked for it. */
import { tabledRadii } from '../../../certify/rules/metrics.ts'
import { isolated } from '../../page/html.ts'
import type { Block } from '../../page/model.ts'
import { percentText } from '../../page/numbers.ts'
import type { CertificateFacts } from './facts.ts'
import { className } from './inputs.ts'
import { unitWord } from './words.ts'

const mostRows = 100

export function targetBlocks(facts: CertificateFacts): Block[] {
  const all = facts.runs.flatMap(({ name, targeted }) => targeted.map((target) => ({ name, target })))
  if (all.length === 0) return []
  const counts = tabledRadii(all.reduce((most, { target }) => Math.max(most, target.ruledOut.length - 1), 0))
  const unit = unitWord(facts)[1]
  return [
    {
      kind: 'table',
      caption: `Single classes: share of the inputs of other classes on which a class is ruled out with r ${unit}`,
      columns: [
        { title: 'predictor' },
        { title: 'class' },
        { title: 'inputs of other classes', align: 'number' },
        ...counts.map((r) => ({ title: `r = ${r}`, align: 'number' as const })),
      ],
      rows: all.slice(0, mostRows).map(({ name, target: { class: target, inputs, ruledOut } }) => [
        isolated(name),
        isolated(className(facts, target)),
        inputs,
        ...counts.map((r) => {
          // The last share is of inputs for which no number of poisoned samples is enough.
          const share = ruledOut[Math.min(r, ruledOut.length - 1)]
          return share === undefined ? '' : { value: percentText(share), shade: share }
        }),
      ]),
      note: all.length > mostRows ? `${all.length - mostRows} more in the certificate.` : undefined,
    },
  ]
}
