/**
 * Random files of votes and scores, in the dialects and types that people have. The ballots are drawn first and then written, so that
 * a wrong reading gives other predictions and radii. What an adversary leaves of them: `votes-adversary.ts`.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Rule } from '../../src/certify/rules/list.ts'
import type { CertifyCommandOptions } from '../../src/cli/commands/certify.ts'
import type { RandomStream } from '../../src/core/random.ts'
import { type NpyArray, type NpyDtype, writeNpy } from '../../src/format/npy.ts'

export interface VotesCase {
  readonly rule: Rule
  readonly kind: 'votes' | 'scores'
  readonly classes: number
  readonly learners: number
  readonly seeds: number
  /** [inputs][learners] for votes; -1 abstains. */
  readonly votes: readonly (readonly number[])[]
  /** [inputs][learners * seeds][classes] for scores; whole numbers, so that sums are exact. */
  readonly scores: readonly (readonly (readonly number[])[])[]
  readonly labels: readonly (number | null)[]
  readonly offsets: readonly number[]
  readonly groups: number
  readonly coverage: number
  readonly firstClass: 0 | 1
  readonly dialect: Dialect
  /** A class for `--target`: what poisoned samples it takes is stated, too. */
  readonly target: number
}

const textDialects = [
  'comma',
  'quoted',
  'semicolon',
  'tab',
  'utf16',
  'blank',
  'pandas',
  'r',
  'shuffled',
  'names',
  'headless',
] as const
/** All but `b1`, which is refused: the two classes that it holds are written as numbers. */
const npyTypes = ['i1', 'i2', 'i4', 'i8', 'f2', 'f4', 'f8', 'u1', 'u2', 'u4', 'u8'] as const
type Dialect = (typeof textDialects)[number] | `npy ${(typeof npyTypes)[number]}`

const pick = <T>(stream: RandomStream, from: readonly T[]): T => from[stream.integer(from.length)]

/** @param inputs drawn where none is given */
export function drawCase(stream: RandomStream, given?: { readonly inputs: number }): VotesCase {
  const rule = pick(stream, ['dpa', 'fa', 'fa_exact', 'roe', 'roe_fa', 'groups', 'temporal'] as const)
  const ranked = rule === 'roe' || rule === 'roe_fa'
  const kind = ranked || stream.integer(5) === 0 ? 'scores' : 'votes'
  const d = rule === 'fa' || rule === 'fa_exact' || rule === 'roe_fa' ? 2 : 1
  const groups = rule === 'groups' ? 2 + stream.integer(2) : 1
  const learners = rule === 'groups' ? groups * (1 + stream.integer(3)) : d * (2 + stream.integer(ranked ? 2 : 3))
  const many = kind === 'votes' && stream.integer(8) === 0
  const classes = many
    ? pick(stream, [300, 65_535, 65_536, 70_000])
    : ranked
      ? 2 + stream.integer(2)
      : 2 + stream.integer(4)
  const seeds = kind === 'scores' && stream.integer(4) === 0 ? 2 : 1
  const inputs = given?.inputs ?? 1 + stream.integer(3)
  // Classes that are voted for; with many, some on both sides of 16 bits.
  const voted = many ? [0, 255, 256, 65_534, 65_535, 65_536, 69_999].filter((c) => c < classes) : range(classes)
  const favorite = pick(stream, voted)
  const bias = stream.uniform()
  const voteOf = () => (stream.uniform() < bias ? favorite : pick(stream, voted))
  // Unsigned types hold no abstention.
  const mayAbstain = stream.integer(4) > 0
  const votes = range(inputs).map(() =>
    range(learners).map(() => (mayAbstain && stream.integer(9) === 0 ? -1 : voteOf())),
  )
  const abstain = votes.some((row) => row.includes(-1))
  const scoresOf = () => {
    const best = voteOf()
    return range(classes).map((c) => stream.integer(4) + (c === best ? 2 : 0))
  }
  const scores = range(inputs).map(() => range(learners * seeds).map(scoresOf))
  const dialects = textDialects.filter((dialect) => dialect !== 'names' || !many)
  const types = npyTypes.filter((type) => fits(type, kind, classes, abstain))
  const dialect: Dialect = stream.integer(3) === 0 ? `npy ${pick(stream, types)}` : pick(stream, dialects)
  const first = kind === 'votes' && dialect !== 'names' && stream.integer(3) === 0 ? 1 : 0
  const label = () => (stream.integer(4) === 0 ? null : pick(stream, voted))
  return {
    ...{ rule, kind, classes, learners, seeds, votes, scores, groups, dialect },
    labels: range(inputs).map(label),
    offsets: d === 1 ? [0] : [0, 1 + stream.integer(learners - 1)],
    coverage: 1 + stream.integer(3),
    firstClass: first,
    target: pick(stream, voted),
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Whether a type holds all classes, and -1 where it has to. */
function fits(type: (typeof npyTypes)[number], kind: 'votes' | 'scores', classes: number, abstain: boolean): boolean {
  const largest = { i1: 127, i2: 32_767, f2: 2048, u1: 255, u2: 65_535 }[type as string] ?? 2 ** 24
  return kind === 'scores' ? true : !(abstain && type.startsWith('u')) && classes <= largest
}

/** Writes the file, and says how it is to be read: as options of the action and as arguments of the command. */
export async function writeCase(drawn: VotesCase, folder: string) {
  const { kind, rule, classes, learners, seeds, dialect, firstClass } = drawn
  const npy = dialect.startsWith('npy ')
  const file = path.join(folder, npy ? 'votes.npy' : 'votes.txt')
  if (npy) await writeArray(file, drawn, dialect.slice(4) as NpyDtype)
  else writeFileSync(file, textOf(drawn))
  const named = dialect === 'names' ? range(classes).map((c) => `class ${c}`) : null
  const options: Partial<CertifyCommandOptions> = {
    ...{ kind, rule },
    classes: named === null ? String(classes) : named.join(','),
    ...(firstClass === 1 ? { firstClass: 1 } : {}),
    ...(seeds > 1 ? { seedsPerPartition: seeds } : {}),
    ...(drawn.offsets.length > 1 ? { offsets: drawn.offsets.join(',') } : {}),
    ...(rule === 'groups' ? { groups: drawn.groups } : {}),
    ...(rule === 'temporal' ? { coverage: drawn.coverage } : {}),
    ...(dialect === 'headless' ? { header: 'no', learners } : {}),
    target: named?.[drawn.target] ?? String(drawn.target + firstClass),
  }
  const flags: Record<string, string> = { firstClass: '--first-class', seedsPerPartition: '--seeds-per-partition' }
  const given = Object.entries(options).flatMap(([name, value]) => [flags[name] ?? `--${name}`, String(value)])
  return { file, options, arguments: ['--votes', file, ...given] }
}

async function writeArray(
  file: string,
  { kind, classes, learners, seeds, votes, scores, firstClass }: VotesCase,
  dtype: NpyDtype,
) {
  const numbers = kind === 'votes' ? votes.flat().map((vote) => (vote < 0 ? vote : vote + firstClass)) : scores.flat(2)
  const shape = kind === 'votes' ? [votes.length, learners] : [scores.length, learners * seeds, classes]
  const half = (value: number): number => {
    if (value === 0) return 0
    const exponent = Math.floor(Math.log2(Math.abs(value)))
    return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | ((Math.abs(value) / 2 ** exponent - 1) * 1024)
  }
  const arrays: Readonly<Record<string, (values: readonly number[]) => NpyArray>> = {
    i1: (values) => Int8Array.from(values),
    i2: (values) => Int16Array.from(values),
    i4: (values) => Int32Array.from(values),
    i8: (values) => BigInt64Array.from(values, BigInt),
    u1: (values) => Uint8Array.from(values),
    u2: (values) => Uint16Array.from(values),
    u4: (values) => Uint32Array.from(values),
    u8: (values) => BigUint64Array.from(values, BigInt),
    f2: (values) => Uint16Array.from(values, half),
    f4: (values) => Float32Array.from(values),
    f8: (values) => Float64Array.from(values),
  }
  await writeNpy(file, shape, arrays[dtype](numbers), dtype)
}

function textOf({
  kind,
  classes,
  learners,
  seeds,
  votes,
  scores,
  labels,
  firstClass,
  dialect,
}: VotesCase): string | Uint8Array {
  const shown = (c: number) => (dialect === 'names' ? `class ${c}` : String(c + firstClass))
  const columns =
    kind === 'votes'
      ? range(learners).map((i) => `l${i}`)
      : range(learners).flatMap((i) =>
          range(seeds).flatMap((s) => range(classes).map((c) => (seeds > 1 ? `l${i}_s${s}_c${c}` : `l${i}_c${c}`))),
        )
  const values = (t: number): string[] =>
    kind === 'votes'
      ? votes[t].map((vote) => (vote < 0 ? '-1' : shown(vote)))
      : scores[t].flat().map((score) => (dialect === 'semicolon' ? `${score},5` : `${score}.5`))
  const truth = labels.map((label) => (label === null ? (dialect === 'r' ? 'NA' : '') : shown(label)))
  const rows = labels.map((_, t) => [`v${t}`, truth[t] === '' && dialect === 'blank' ? 'NA' : truth[t], ...values(t)])
  const table = (separator: string, header: readonly string[], body: readonly (readonly string[])[]) =>
    `${[header, ...body].map((row) => row.join(separator)).join('\n')}\n`
  const header = ['id', 'label', ...columns]
  const quote = (text: string) => `"${text}"`
  switch (dialect) {
    case 'quoted':
      return table(
        ',',
        header.map(quote),
        rows.map((row) => row.map(quote)),
      )
    case 'semicolon':
      return table(';', header, rows).replaceAll('\n', '\r\n')
    case 'tab':
      return table('\t', header, rows)
    case 'utf16':
      return Buffer.from(`\uFEFF${table('\t', header, rows)}`, 'utf16le')
    case 'blank':
      return table(' ', header, rows)
    case 'pandas':
      return table(
        ',',
        ['', 'y_true', ...columns],
        rows.map(([, ...row], t) => [String(t), ...row]),
      )
    case 'r':
      return table(
        ' ',
        ['truth', ...columns].map(quote),
        rows.map(([id, ...row]) => [quote(id), ...row]),
      )
    case 'shuffled':
      return table(
        ',',
        [...columns.toReversed(), ' Target ', 'path'],
        rows.map(([id, label, ...row]) => [...row.toReversed(), label, id]),
      )
    case 'headless':
      return rows.map(([, , ...row]) => `${row.join(',')}\n`).join('')
    default:
      return table(',', header, rows)
  }
}
