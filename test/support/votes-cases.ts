/**
 * Random files of votes and scores, in the dialects and types that people have, and what an adversary that tries everything
 * leaves of them. The ballots are drawn first and then written, so that a wrong reading gives other predictions and radii.
 *
 * Captured learners may cast any ballot of `relevant` classes: those with votes and two without on each side of them. Any other
 * class is as one of these.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { allRankings, combinations, disjointReach, spreadReach } from '../../src/certify/rules/brute-force.ts'
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
  /** A class for `--target`: what poisons it takes is stated, too. */
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

export interface TrueCertificate {
  readonly prediction: number
  readonly radius: number
  /** An answer equal to this means "at least". */
  readonly limit: number
  readonly earliness?: number
  /** Fewest poisons with which the target may come out; one that is equal to `limit` means "at least". */
  readonly target: { readonly poisons: number; readonly limit: number }
}

/** Whether some ballots of these learners bring about an answer that is wanted. */
type CanReach = (captured: readonly number[], wanted: (answer: number) => boolean) => boolean

/** [inputs] by exhaustion. */
export function trueCertificates(drawn: VotesCase): TrueCertificate[] {
  return drawn.votes.map((_, t) => {
    const { before, canReach } = electionOf(drawn, t)
    const limit = isRanked(drawn) ? 2 : drawn.learners
    const breaks = (captured: readonly number[]) => canReach(captured, (answer) => answer !== before)
    const elects = (captured: readonly number[]) => canReach(captured, (answer) => answer === drawn.target)
    return { prediction: before, ...radiusOf(drawn, breaks, limit), target: costOf(drawn, elects, limit) }
  })
}

/** Several inputs, most of them predicted right: what the bound on all inputs together is about. */
export function drawTogether(stream: RandomStream): VotesCase {
  const drawn = drawCase(stream, { inputs: 3 + stream.integer(5) })
  const labels = drawn.labels.map((label, t) => (stream.integer(4) === 0 ? label : electionOf(drawn, t).before))
  const unlabeled = drawn.dialect.startsWith('npy ') || drawn.dialect === 'headless'
  return {
    ...drawn,
    labels: labels.map((label, t) => (t === 0 ? electionOf(drawn, 0).before : label)),
    dialect: unlabeled ? 'comma' : drawn.dialect,
  }
}

/** What attacks on all inputs at once do, by exhaustion. */
export interface TrueTogether {
  /** Inputs with a true class, and how many of them are predicted right. */
  readonly known: number
  readonly right: number
  /** [budgets] most right predictions that one attack of at most so many poisons changes. */
  readonly changed: readonly number[]
}

/** A captured learner may vote differently on each input: which learners are captured is all that inputs have in common. */
export function trueTogether(drawn: VotesCase, budgets: readonly number[]): TrueTogether {
  const known = drawn.labels.flatMap((label, t) => (label === null ? [] : [{ label, ...electionOf(drawn, t) }]))
  const right = known.filter(({ label, before }) => label === before)
  const changed = budgets.map((budget) =>
    attacksOf(drawn, budget)
      .map((captured) => right.filter(({ before, canReach }) => canReach(captured, (answer) => answer !== before)))
      .reduce((most, { length }) => Math.max(most, length), 0),
  )
  return { known: known.length, right: right.length, changed }
}

/** [attacks][] learners that the largest attacks of this budget capture. */
function attacksOf(drawn: VotesCase, budget: number): number[][] {
  const reach = reachOf(drawn)
  if (drawn.rule !== 'temporal')
    return [...combinations(reach.length, Math.min(budget, reach.length))].map((some) => [
      ...new Set(some.flatMap((j) => reach[j])),
    ])
  const periods = drawn.learners + drawn.coverage - 1
  const length = Math.min(budget, periods)
  return range(periods - length + 1).map((from) => readersOf(drawn, from, length))
}

const isRanked = ({ rule }: VotesCase): boolean => rule === 'roe' || rule === 'roe_fa'

/** What comes out for an input, and what ballots of captured learners bring about. */
function electionOf(drawn: VotesCase, t: number): { readonly before: number; readonly canReach: CanReach } {
  const ballots = range(drawn.learners).map((i) => ballotOf(drawn, t, i))
  const classes = relevant(drawn, ballots)
  const ranked = isRanked(drawn)
  const winner = ranked ? runOff : plurality
  const choices = ranked
    ? [...allRankings(classes.length).map((order) => order.map((c) => classes[c])), []]
    : [...classes.map((c) => [c]), []]
  const canReach: CanReach = (captured, wanted) => {
    const cast = [...ballots]
    const assign = (depth: number): boolean => {
      if (depth === captured.length) return wanted(winner(cast, drawn.classes))
      // All captured learners of a plurality do best to vote together; those of a run-off may not.
      return choices.some((choice) => {
        if (ranked) {
          cast[captured[depth]] = choice
          return assign(depth + 1)
        }
        for (const i of captured) cast[i] = choice
        return wanted(winner(cast, drawn.classes))
      })
    }
    return assign(0)
  }
  return { before: winner(ballots, drawn.classes), canReach }
}

/** Learners that read one of these periods. */
function readersOf({ learners, coverage }: VotesCase, from: number, length: number): number[] {
  return range(learners).filter((i) => length > 0 && i <= from + length - 1 && i + coverage - 1 >= from)
}

/** [units][] the learners that each poison reaches. */
function reachOf({ rule, learners, offsets, groups }: VotesCase): readonly (readonly number[])[] {
  const size = learners / groups
  if (rule === 'groups') return range(groups).map((g) => range(size).map((i) => g * size + i))
  return offsets.length > 1 ? spreadReach(learners, offsets) : disjointReach(learners)
}

function costOf(drawn: VotesCase, elects: (captured: readonly number[]) => boolean, limit: number) {
  const periods = drawn.learners + drawn.coverage - 1
  const reach = reachOf(drawn)
  const most = drawn.rule === 'temporal' ? periods : Math.min(limit, reach.length)
  const elected = (poisons: number): boolean =>
    drawn.rule === 'temporal'
      ? range(periods - poisons + 1).some((from) => elects(readersOf(drawn, from, poisons)))
      : [...combinations(reach.length, poisons)].some((some) => elects([...new Set(some.flatMap((j) => reach[j]))]))
  return { poisons: range(most + 1).find(elected) ?? most + 1, limit: most + 1 }
}

function radiusOf(drawn: VotesCase, breaks: (captured: readonly number[]) => boolean, limit: number) {
  if (drawn.rule === 'temporal') {
    const periods = drawn.learners + drawn.coverage - 1
    const somewhere = (length: number) =>
      range(periods - length + 1).some((from) => breaks(readersOf(drawn, from, length)))
    const largest = (fails: (length: number) => boolean) =>
      range(periods).find((length) => fails(length + 1)) ?? periods
    return {
      radius: largest(somewhere),
      limit: periods,
      earliness: largest((length) => breaks(readersOf(drawn, periods - length, length))),
    }
  }
  const reach = reachOf(drawn)
  const most = Math.min(limit, reach.length)
  for (let t = 1; t <= most; t++) {
    for (const buckets of combinations(reach.length, t))
      if (breaks([...new Set(buckets.flatMap((bucket) => reach[bucket]))])) return { radius: t - 1, limit: most }
  }
  return { radius: most, limit: most }
}

/** Classes, best first; none for an abstention. */
function ballotOf({ kind, votes, scores, seeds, classes }: VotesCase, t: number, i: number): readonly number[] {
  if (kind === 'votes') return votes[t][i] < 0 ? [] : [votes[t][i]]
  const sums = range(classes).map((c) => range(seeds).reduce((sum, s) => sum + scores[t][i * seeds + s][c], 0))
  return range(classes).sort((a, b) => sums[b] - sums[a] || a - b)
}

function relevant({ classes }: VotesCase, ballots: readonly (readonly number[])[]): number[] {
  if (classes <= 8) return range(classes)
  const voted = new Set(ballots.flat())
  const free = range(Math.min(classes, 20)).filter((c) => !voted.has(c))
  const last = range(20)
    .map((i) => classes - 1 - i)
    .filter((c) => !voted.has(c))
  return [...new Set([...voted, ...free.slice(0, 2), ...last.slice(0, 2)])].sort((a, b) => a - b)
}

function plurality(ballots: readonly (readonly number[])[], classes: number): number {
  const counts = new Map<number, number>()
  for (const [first] of ballots) if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1)
  let [best, most] = [0, counts.get(0) ?? 0]
  for (const [c, count] of counts) if (count > most || (count === most && c < best)) [best, most] = [c, count]
  return best < classes ? best : 0
}

function runOff(ballots: readonly (readonly number[])[], classes: number): number {
  const counts = range(classes).map((c) => ballots.filter(([first]) => first === c).length)
  const [a, b] = range(classes).sort((x, y) => counts[y] - counts[x] || x - y)
  const wins = ballots.filter((ballot) => ballot.length > 0).map((ballot) => ballot.indexOf(a) < ballot.indexOf(b))
  const forA = wins.filter(Boolean).length
  const forB = wins.length - forA
  return forA === forB ? Math.min(a, b) : forA > forB ? a : b
}
