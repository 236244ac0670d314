/** Classes and single inputs of a certificate. */
import { isolated, type Part } from '../../page/html.ts'
import type { Block } from '../../page/model.ts'
import { counted, percent } from '../../page/numbers.ts'
import type { CertificateFacts, CertifiedInput, CertifiedRun } from './facts.ts'
import { tabledRadii, unitWord } from './words.ts'

type Known = CertifiedInput & { readonly label: number }

/** Runs that are shown input by input; the certificate has all. */
export const mostRuns = 6
const [mostClasses, mostInputs] = [500, 12]

export function className({ classNames }: Pick<CertificateFacts, 'classNames'>, index: number): string {
  return classNames?.[index] ?? `class ${index}`
}

/** What each class of the inputs comes to. */
export function classBlocks(facts: CertificateFacts, { name, inputs }: CertifiedRun): Block[] {
  const known = knownInputs(inputs)
  if (known.length === 0) return []
  const largest = known.reduce((most, input) => (isRight(input) ? Math.max(most, input.radius) : most), 0)
  const radii = tabledRadii(largest)
  const classes = byClass(known)
  const shown = classes.slice(0, mostClasses)
  return [
    {
      kind: 'table',
      caption: [
        isolated(name),
        `: share of the inputs of each class that are right and certified for r ${unitWord(facts)[1]}`,
      ],
      columns: [
        { title: 'true class' },
        { title: 'inputs', align: 'number' },
        ...radii.map((r) => ({ title: r === 0 ? 'r = 0: right' : `r = ${r}`, align: 'number' as const })),
        { title: 'smallest radius', align: 'number' },
      ],
      rows: shown.map(([label, all]) => {
        const right = all.filter(isRight)
        return [
          isolated(className(facts, label)),
          all.length,
          ...radii.map((r) => {
            const share = right.filter(({ radius }) => radius >= r).length / all.length
            return { value: percent(share), shade: share }
          }),
          right.length === 0
            ? 'none right'
            : right.reduce((least, { radius }) => Math.min(least, radius), Number.POSITIVE_INFINITY),
        ]
      }),
      note:
        classes.length > shown.length ? `${classes.length - shown.length} more classes in the certificate.` : undefined,
    },
  ]
}

/** The inputs that the least poison may change. */
export function weakestBlocks(facts: CertificateFacts, { name, inputs }: CertifiedRun): Block[] {
  if (inputs === null) return []
  const known = knownInputs(inputs)
  const candidates: readonly CertifiedInput[] = known.length > 0 ? known.filter(isRight) : inputs
  const weakest = candidates
    .map((input, at) => ({ input, at }))
    .sort((a, b) => a.input.radius - b.input.radius || a.at - b.at)
    .slice(0, mostInputs)
  const atOnce = candidates.filter(({ radius }) => radius === 0).length
  const wrong = known.length - known.filter(isRight).length
  const [unit] = unitWord(facts)
  const summary: Part[] = [
    `${counted(atOnce, known.length > 0 ? 'right prediction' : 'prediction')} may change with a single ${unit} of poison (radius 0).`,
    known.length > 0
      ? ` ${counted(wrong, 'input')} of ${known.length} with a known class ${wrong === 1 ? 'is' : 'are'} predicted wrong without any poison.`
      : '',
  ]
  if (weakest.length === 0) return [{ kind: 'text', text: summary }]
  return [
    { kind: 'text', text: summary },
    {
      kind: 'table',
      caption: [
        isolated(name),
        `: the ${known.length > 0 ? 'right predictions' : 'predictions'} with the smallest radius`,
      ],
      columns: [
        { title: 'input' },
        { title: 'prediction' },
        { title: 'radius', align: 'number' },
        { title: 'class that the cheapest attack promotes' },
      ],
      rows: weakest.map(({ input: { id, prediction, radius, rivals } }) => [
        isolated(id),
        isolated(className(facts, prediction)),
        radius,
        rivals.map((rival, i) => [i === 0 ? '' : ' and ', isolated(className(facts, rival))]),
      ]),
    },
  ]
}

/** Inputs of each true class, in the order of the classes. */
function byClass(known: readonly Known[]): [label: number, inputs: Known[]][] {
  const groups = new Map<number, Known[]>()
  for (const input of known) {
    const group = groups.get(input.label)
    if (group === undefined) groups.set(input.label, [input])
    else group.push(input)
  }
  return [...groups].sort(([a], [b]) => a - b)
}

function knownInputs(inputs: CertifiedRun['inputs']): readonly Known[] {
  return (inputs ?? []).filter((input): input is Known => input.label !== null)
}

const isRight = ({ label, prediction }: CertifiedInput): boolean => label === prediction
