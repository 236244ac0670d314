// Compares every rule with an adversary that tries everything, over all ballots of small ensembles where there are few
// and over random ones where there are many. Prints how often the certificate is exact; exits non-zero if it ever
// promises too much.
//   npx tsx scripts/certificate-tightness.ts [--ballots 300]
import { parseArgs } from 'node:util'
import {
  allRankings,
  canChange,
  combinations,
  disjointReach,
  spreadReach,
  trueRadius,
} from '../src/certify/rules/brute-force.ts'
import { runOffWinner } from '../src/certify/rules/election.ts'
import { plurality, tally } from '../src/certify/rules/plurality.ts'
import {
  certifyDpa,
  certifyEncoderGroups,
  certifyFiniteAggregation,
  certifyFiniteAggregationExact,
  certifyRunOff,
  certifyRunOffFinite,
  spreadOffsets,
} from '../src/certify.ts'
import { exitCodes } from '../src/index.ts'
import { RandomStream } from '../src/model.ts'

const { values } = parseArgs({ options: { ballots: { type: 'string', default: '300' } } })
const most = Number(values.ballots)

interface Tightness {
  cases: number
  exact: number
  unsound: number
}

let unsound = 0

function compare(name: string, run: (each: (certified: number, truth: number) => void) => void): void {
  const count: Tightness = { cases: 0, exact: 0, unsound: 0 }
  run((certified, truth) => {
    count.cases++
    if (certified === truth) count.exact++
    if (certified > truth) count.unsound++
  })
  unsound += count.unsound
  console.log(
    `${name.padEnd(44)} ${String(count.cases).padStart(6)} ballots   ${((100 * count.exact) / count.cases).toFixed(1).padStart(5)}% exact   ${count.unsound === 0 ? 'never unsound' : `${count.unsound} UNSOUND`}`,
  )
}

/** All casts of `learners` among `choices`, or a random sample where there are more than `most`. */
function* casts(learners: number, choices: number): Generator<number[]> {
  const all = choices ** learners
  const stream = new RandomStream(learners, choices, 'tightness')
  for (let i = 0; i < Math.min(all, most); i++) {
    let rest = i
    yield Array.from({ length: learners }, () => {
      if (all > most) return stream.integer(choices)
      const digit = rest % choices
      rest = Math.floor(rest / choices)
      return digit
    })
  }
}

const pluralityOf = (classes: number) => (cast: readonly number[]) => plurality(tally(cast, classes))

for (const [k, classes] of [
  [3, 2],
  [5, 2],
  [5, 3],
  [6, 3],
  [7, 2],
  [7, 3],
  [6, 4],
] as const) {
  compare(`DPA, k=${k}, C=${classes}`, (each) => {
    for (const cast of casts(k, classes)) {
      const adversary = { cast, choices: classes, reach: disjointReach(k), predict: pluralityOf(classes) }
      each(certifyDpa(cast, classes).radius, trueRadius(adversary))
    }
  })
}
for (const [k, d, classes] of [
  [3, 2, 2],
  [3, 2, 3],
  [4, 2, 2],
  [4, 2, 3],
  [3, 3, 2],
  [4, 3, 2],
  [5, 2, 2],
  [4, 6, 2],
] as const) {
  const offsets = spreadOffsets(k, d)
  // Captured learners of a plurality do best to vote together, so the oracle need not mix their votes.
  const truths = new Map<string, number>()
  const truthOf = (cast: readonly number[]) => {
    const key = cast.join()
    const known = truths.get(key)
    if (known !== undefined) return known
    const reach = spreadReach(k * d, offsets)
    const before = pluralityOf(classes)(cast)
    let truth = k * d
    search: for (let t = 1; t <= k * d; t++) {
      for (const buckets of combinations(k * d, t)) {
        const captured = new Set(buckets.flatMap((bucket) => reach[bucket]))
        for (let c = 0; c < classes; c++) {
          if (pluralityOf(classes)(cast.map((vote, i) => (captured.has(i) ? c : vote))) === before) continue
          truth = t - 1
          break search
        }
      }
    }
    truths.set(key, truth)
    return truth
  }
  compare(`FA, k=${k}, d=${d}, C=${classes}`, (each) => {
    for (const cast of casts(k * d, classes))
      each(certifyFiniteAggregation(cast, classes, offsets).radius, truthOf(cast))
  })
  compare(`FA exact, k=${k}, d=${d}, C=${classes}`, (each) => {
    for (const cast of casts(k * d, classes))
      each(certifyFiniteAggregationExact(cast, classes, offsets).radius, truthOf(cast))
  })
}
const rankings = allRankings(3)
const winner = (cast: readonly number[]) =>
  runOffWinner(
    cast.flatMap((choice) => rankings[choice]),
    3,
  )
for (const k of [3, 4, 5, 6, 7]) {
  compare(`DPA+ROE, k=${k}, C=3`, (each) => {
    for (const cast of casts(k, 6)) {
      const certified = certifyRunOff(
        cast.flatMap((choice) => rankings[choice]),
        3,
      ).radius
      each(certified, trueRadius({ cast, choices: 6, reach: disjointReach(k), predict: winner }))
    }
  })
}
for (const [k, d] of [
  [3, 2],
  [4, 2],
] as const) {
  const offsets = spreadOffsets(k, d)
  compare(`FA+ROE, k=${k}, d=${d}, C=3 (up to radius 2)`, (each) => {
    for (const cast of casts(k * d, 6)) {
      const certified = certifyRunOffFinite(
        cast.flatMap((choice) => rankings[choice]),
        3,
        offsets,
      ).radius
      const truth = trueRadius({ cast, choices: 6, reach: spreadReach(k * d, offsets), predict: winner }, 2)
      each(Math.min(2, certified), truth)
    }
  })
}
const groups = [
  [0, 1],
  [2, 3],
  [4, 5],
]
for (const [samples, labels] of [
  [1, 0],
  [1, 1],
  [0, 2],
  [2, 0],
] as const) {
  compare(`encoder groups, 3 x 2, ${samples} videos, ${labels} labels`, (each) => {
    for (const cast of casts(6, 3)) {
      const certified = certifyEncoderGroups(cast, 3, groups)
      let holds = true
      for (const videos of combinations(3, samples)) {
        for (const flips of combinations(6, labels)) {
          const captured = new Set([...videos.flatMap((g) => groups[g]), ...flips])
          const adversary = { cast, choices: 3, reach: groups, predict: pluralityOf(3) }
          holds &&= !canChange(adversary, [...captured], certified.prediction)
        }
      }
      each(certified.survives(samples, labels) ? 1 : 0, holds ? 1 : 0)
    }
  })
}
process.exit(unsound === 0 ? exitCodes.success : exitCodes.checkFailed)
