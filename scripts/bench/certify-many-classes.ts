// Times the rules with many classes and partitions: votes of K partitions (times d) over C classes, in seconds of processor time an input.
//   npx tsx scripts/bench/certify-many-classes.ts [--classes 400] [--partitions 1000] [--spread 4] [--inputs 3] [--winner 0.4]
// --winner: share of the learners that vote for one class; the others vote at random. Targets: 2 s an input for every rule.
import { parseArgs } from 'node:util'
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import { certifyUnitFlips } from '../../src/certify/rules/label-flip.ts'
import { certifyBallots, type Rule, spreadOffsets } from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'

const { values } = parseArgs({
  options: {
    classes: { type: 'string', default: '400' },
    partitions: { type: 'string', default: '1000' },
    spread: { type: 'string', default: '4' },
    inputs: { type: 'string', default: '3' },
    winner: { type: 'string', default: '0.4' },
  },
})
const [classes, partitions, spread, inputs, winner] = [
  values.classes,
  values.partitions,
  values.spread,
  values.inputs,
  values.winner,
].map(Number)
const favorite = Math.floor(classes / 2)

/** Votes, or whole rankings, of `learners` learners on one input. */
function draw(learners: number, places: number, input: number) {
  const stream = new RandomStream('many classes', learners, input)
  const ballots = emptyBallots(1, learners, classes, places)
  for (let i = 0; i < learners; i++) {
    const first = stream.uniform() < winner ? favorite : stream.integer(classes)
    const order = places === 1 ? [] : Array.from(stream.permutation(classes)).filter((c) => c !== first)
    for (const [place, c] of [first, ...order].entries()) ballots.ranks[i * places + place] = c
  }
  return ballots
}

/** Seconds of processor time of each input, and what came out. */
function timed<Outcome>(
  name: string,
  work: (input: number) => () => Outcome,
  told: (outcome: Outcome) => string,
): void {
  const seconds: number[] = []
  const outcomes: string[] = []
  for (let input = 0; input < inputs; input++) {
    const run = work(input)
    const start = process.cpuUsage()
    const outcome = run()
    const { user, system } = process.cpuUsage(start)
    seconds.push((user + system) / 1e6)
    outcomes.push(told(outcome))
  }
  console.log(`${name.padEnd(16)} ${seconds.map((each) => each.toFixed(3)).join(', ')} s; ${outcomes.join(', ')}`)
}

const offsets = spreadOffsets(partitions, spread)
console.log(`C = ${classes}, K = ${partitions}, d = ${spread}, ${winner} of the learners for one class`)
const rules: readonly (readonly [rule: Rule, ranked: boolean, spread: boolean])[] = [
  ['dpa', false, false],
  ['roe', true, false],
  ['fa', false, true],
  ['fa_exact', false, true],
  ['roe_fa', true, true],
]
for (const [rule, ranked, isSpread] of rules) {
  const learners = isSpread ? partitions * spread : partitions
  timed(
    rule,
    (input) => {
      const ballots = draw(learners, ranked ? classes : 1, input)
      return () => certifyBallots(ballots, { rule, ...(isSpread ? { offsets } : {}) })[0]
    },
    ({ radius, exact }) => `radius ${radius}${exact === undefined ? '' : exact ? ' (exact)' : ' (lower bound)'}`,
  )
}
timed(
  'dpa_white_box',
  (input) => {
    const { ranks } = draw(partitions, 1, input)
    const stream = new RandomStream('many classes', 'flips', input)
    const costs = new Float32Array(partitions * (classes + 1))
    for (let i = 0; i < partitions; i++) {
      const mine = costs.subarray(i * (classes + 1), (i + 1) * (classes + 1))
      for (let c = 0; c < classes; c++) mine[c] = c === ranks[i] ? 0 : 1 + stream.integer(20)
      mine[classes] = Math.min(...mine.subarray(0, classes).filter((_, c) => c !== ranks[i]))
    }
    return () => certifyUnitFlips(costs, ranks, classes, { samples: 20 * partitions, largestUnit: 1 })
  },
  ({ radius }) => `radius ${radius}`,
)
