import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { certifyImported, checkRules, importBallots, needsRankings, needsSpread, type Rule } from '../certify/index.ts'
import { invalidArgument } from '../core/errors.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { listOf, numbersOf, rulesOf } from './certify-options.ts'
import type { CommonOptions } from './run.ts'

export interface CertifyVotesOptions extends CommonOptions {
  /** npy or CSV of another system. */
  readonly votes?: string
  readonly kind?: 'votes' | 'scores'
  /** Names, or how many there are. */
  readonly classes?: string
  readonly seedsPerPartition?: number
  /** Default: what the file allows, see `rulesFor`. */
  readonly rule?: string
  readonly spread?: number
  /** Spread of Finite Aggregation as the other system drew it. */
  readonly offsets?: string
  /** Encoder groups of rule `groups`. */
  readonly groups?: number
  /** Rule `temporal`: periods that each learner is trained on. */
  readonly coverage?: number
  readonly out: string
}

/**
 * `videomae certify --votes FILE`. Every rule is checked before the first file is written.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RULES_NOT_COMBINED`, and what `importBallots` throws
 */
export async function certifyVotes(file: string, options: CertifyVotesOptions): Promise<void> {
  const { kind = 'votes', classes = '', seedsPerPartition, groups, coverage, out, json = false } = options
  const names = listOf(classes)
  const number = names.length === 1 ? Number(names[0]) : names.length
  if (!Number.isInteger(number) || number < 2)
    throw invalidArgument('--classes', 'names such as fight,noFight, or a number of classes', classes)
  const offsets = options.offsets === undefined ? undefined : numbersOf('--offsets', options.offsets, 0)
  const rules = rulesFor(options.rule, kind, offsets?.length ?? options.spread ?? 1)
  if (offsets === undefined && rules.some(needsSpread))
    throw invalidArgument(
      '--offsets',
      'the learners that bucket 0 reached, such as 0,3,7: rules with a spread count by them',
      offsets,
    )
  const imported = await importBallots(file, { kind, classes: number, seeds: seedsPerPartition })
  const { learners, inputs: count } = imported.ballots
  if (offsets !== undefined) checkOffsets(offsets, options.spread, learners)
  const by = rules.includes('temporal') ? 'time' : 'content' // what stands for the columns
  checkRules({ rules, partitions: learners, groups, by })
  const results = rules.map((rule) => {
    const certified = certifyImported(imported, {
      ...{ rule, offsets },
      ...(groups === undefined ? {} : { groups }),
      ...(rule === 'temporal' ? { coverage: coverage ?? 1 } : {}),
    })
    const certificate = { ...certified, classNames: names.length > 1 ? names : null }
    const written = path.join(out, `imported-certificate-${rule}.json`)
    return { rule, learners, inputs: count, summary: certified.summary, file: written, certificate }
  })
  await mkdir(out, { recursive: true })
  for (const { file: written, certificate } of results)
    await writeFileAtomic(written, `${JSON.stringify(certificate)}\n`)
  const conditions = [...new Set(results.flatMap(({ certificate }) => certificate.conditions))]
  if (json) {
    const shown = results.map(({ certificate: _, ...result }) => result)
    process.stdout.write(`${JSON.stringify({ runs: shown, conditions })}\n`)
    return
  }
  for (const { rule, summary, inputs, file: written, certificate } of results) {
    const radii = certificate.inputs.map(({ radius }) => radius).sort((a, b) => a - b)
    const scored =
      summary === null
        ? `median radius of all predictions ${radii[Math.floor((radii.length - 1) / 2)]}; no labels, so no accuracy`
        : `right ${(100 * summary.cleanAccuracy).toFixed(1)} %, median radius ${summary.medianRadius ?? 'none (below 50%)'}, mean radius ${summary.averageCertifiedRadius.toFixed(1)}`
    process.stdout.write(`${rule}: ${learners} learners, ${inputs} inputs, ${scored}\nwrote  ${written}\n`)
  }
  process.stdout.write(conditions.map((condition) => `  if ${condition}\n`).join(''))
}

/**
 * The rules that are asked for; where none is, those that the file allows: with a spread where a bucket reached several learners,
 * and with a run-off where it holds more than first choices.
 *
 * A spread is never guessed, nor left out of account: with other offsets than those that the learners were trained by, one poison
 * reaches other learners, or more of them, than the rule counts.
 *
 * @param reach learners that each bucket reached
 */
function rulesFor(asked: string | undefined, kind: 'votes' | 'scores', reach: number): Rule[] {
  const spreads = reach > 1
  const usual: Rule[] = spreads ? ['fa', 'roe_fa'] : ['dpa', 'roe']
  const rules = asked === undefined ? usual.filter((rule) => kind === 'scores' || !needsRankings(rule)) : rulesOf(asked)
  const ranked = rules.find(needsRankings)
  if (ranked !== undefined && kind === 'votes')
    throw invalidArgument('--rule', 'rules that first choices are enough for', ranked, `${ranked} needs --kind scores.`)
  const disjoint = rules.find((rule) => !needsSpread(rule))
  if (disjoint !== undefined && spreads)
    throw invalidArgument(
      '--rule',
      `fa, fa_exact or roe_fa where a bucket reached ${reach} learners`,
      disjoint,
      `${disjoint} counts one vote for each poison.`,
    )
  return rules
}

function checkOffsets(offsets: readonly number[], spread: number | undefined, learners: number): void {
  const shown = offsets.join(',')
  if (new Set(offsets).size !== offsets.length || offsets.some((offset) => offset >= learners))
    throw invalidArgument('--offsets', `different numbers below ${learners}, the number of learners`, shown)
  if (spread !== undefined && spread !== offsets.length)
    throw invalidArgument('--spread', `${offsets.length}, as many as there are --offsets`, spread)
  if (learners % offsets.length !== 0)
    throw invalidArgument('--offsets', `as many numbers as divide ${learners} learners`, shown)
}
