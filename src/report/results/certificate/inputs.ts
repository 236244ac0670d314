/** Classes and single inputs of a certificate. */
import { tabledRadii } from '../../../certify/rules/metrics.ts'
import { isolated, type Part } from '../../page/html.ts'
import type { Block } from '../../page/model.ts'
import { counted, percentText } from '../../page/numbers.ts'
import type { CertificateFacts, CertifiedInput, CertifiedRun } from './facts.ts'
import { unitWord } from './words.ts'

type Known = CertifiedInput & { readonly label: number }

/** Runs that are shown input by input; the certificate has all. */
export const mostRuns = 6
const [mostClasses, mostOpen, mostInputs] = [500, 30, 12]

export function className({ classNames }: Pick<CertificateFacts, 'classNames'>, index: number): string {
  return classNames?.[index] ?? `class ${index}`
}

/** What each class of the inputs comes to, the weakest first. */
export function classBlocks(facts: CertificateFacts, { name, inputs }: CertifiedRun): Block[] {
  const known = knownInputs(inputs)
  if (known.length === 0) return []
  const largest = known.reduce((most, input) => (isRight(input) ? Math.max(most, input.radius) : most), 0)
  const radii = tabledRadii(largest)
  const classes = byClass(known).sort((a, b) => keptShare(a) - keptShare(b))
  // Each of several runs has a table of its own.
  const shown = classes.slice(0, facts.runs.length > 1 ? mostOpen : mostClasses)
  const open = shown.length <= mostOpen + 10 ? shown : shown.slice(0, mostOpen)
  const rest = shown.slice(open.length)
  const left = classes.length - shown.length
  const caption = [
    isolated(name),
    `: share of the inputs of each class that are right and certified for r ${unitWord(facts)[1]}, the weakest first`,
  ]
  return [
    classTable(facts, open, radii, caption),
    ...(rest.length === 0
      ? []
      : [
          {
            kind: 'fold',
            summary: `${rest.length} more classes`,
            blocks: [classTable(facts, rest, radii, 'The other classes')],
          } as const,
        ]),
    ...(left > 0
      ? [{ kind: 'text', text: `${counted(left, 'more class', 'more classes')} in the certificate.` } as const]
      : []),
  ]
}

/** Share of the inputs of a class that are right and certified for one unit. */
function keptShare({ inputs }: InputsOfClass): number {
  return inputs.filter((input) => isRight(input) && input.radius >= 1).length / inputs.length
}

function classTable(
  facts: CertificateFacts,
  classes: readonly InputsOfClass[],
  radii: readonly number[],
  caption: Part,
): Block {
  return {
    kind: 'table',
    caption,
    columns: [
      { title: 'true class' },
      { title: 'inputs', align: 'number' },
      ...radii.map((r) => ({ title: r === 0 ? 'r = 0: right' : `r = ${r}`, align: 'number' as const })),
      { title: 'smallest radius', align: 'number' },
    ],
    rows: classes.map(({ label, inputs }) => {
      const right = inputs.filter(isRight)
      return [
        isolated(className(facts, label)),
        inputs.length,
        ...radii.map((r) => {
          const share = right.filter(({ radius }) => radius >= r).length / inputs.length
          return { value: percentText(share), shade: share }
        }),
        right.length === 0
          ? 'none right'
          : right.reduce((least, { radius }) => Math.min(least, radius), Number.POSITIVE_INFINITY),
      ]
    }),
  }
}

/** What some rules certify besides the radius. */
const otherRadii = [
  { title: 'radius in changed labels', of: ({ labelRadius }: CertifiedInput) => labelRadius },
  { title: 'earliness', of: ({ earliness }: CertifiedInput) => earliness },
]

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
  const more = otherRadii.filter(({ of }) => weakest.some(({ input }) => of(input) !== undefined))
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
        ...more.map(({ title }) => ({ title, align: 'number' as const })),
        { title: 'class that the cheapest attack promotes' },
      ],
      rows: weakest.map(({ input }) => [
        isolated(input.id),
        isolated(className(facts, input.prediction)),
        input.radius,
        ...more.map(({ of }) => of(input) ?? ''),
        input.rivals.map((rival, i) => [i === 0 ? '' : ' and ', isolated(className(facts, rival))]),
      ]),
    },
  ]
}

interface InputsOfClass {
  readonly label: number
  readonly inputs: readonly Known[]
}

/** Inputs of each true class, in the order of the classes. */
function byClass(known: readonly Known[]): InputsOfClass[] {
  const groups = new Map<number, Known[]>()
  for (const input of known) {
    const group = groups.get(input.label)
    if (group === undefined) groups.set(input.label, [input])
    else group.push(input)
  }
  return [...groups].sort(([a], [b]) => a - b).map(([label, inputs]) => ({ label, inputs }))
}

function knownInputs(inputs: CertifiedRun['inputs']): readonly Known[] {
  return (inputs ?? []).filter((input): input is Known => input.label !== null)
}

const isRight = ({ label, prediction }: CertifiedInput): boolean => label === prediction
