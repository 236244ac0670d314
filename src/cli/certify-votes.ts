import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { certifyImported, checkRules, importBallots, needsSpread } from '../certify/index.ts'
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

/** `videomae certify --votes FILE`. */
export async function certifyVotes(file: string, options: CertifyVotesOptions): Promise<void> {
  const { kind = 'votes', classes = '', seedsPerPartition, groups, coverage, out, json = false } = options
  const names = listOf(classes)
  const number = names.length === 1 ? Number(names[0]) : names.length
  if (!Number.isInteger(number) || number < 2)
    throw invalidArgument('--classes', 'names such as fight,noFight, or a number of classes', classes)
  const imported = await importBallots(file, { kind, classes: number, seeds: seedsPerPartition })
  const { learners } = imported.ballots
  const rules = rulesOf(options.rule ?? 'dpa')
  const offsets = offsetsOf(options, learners, rules.some(needsSpread))
  await mkdir(out, { recursive: true })
  const results = []
  const by = rules.includes('temporal') ? 'time' : 'content' // what stands for the columns
  checkRules({ rules, partitions: learners, groups, by })
  for (const rule of rules) {
    const certified = certifyImported(imported, {
      ...{ rule, offsets: needsSpread(rule) ? offsets : undefined },
      ...(groups === undefined ? {} : { groups }),
      ...(rule === 'temporal' ? { coverage: coverage ?? 1 } : {}),
    })
    const certificate = { ...certified, classNames: names.length > 1 ? names : null }
    const written = path.join(out, `imported-certificate-${rule}.json`)
    await writeFileAtomic(written, `${JSON.stringify(certificate)}\n`)
    results.push({
      rule,
      learners,
      inputs: imported.ballots.inputs,
      summary: certified.summary,
      file: written,
      certificate,
    })
  }
  if (json) {
    const shown = results.map(({ certificate: _, ...result }) => result)
    process.stdout.write(`${JSON.stringify({ runs: shown, conditions: results[0].certificate.conditions })}\n`)
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
  process.stdout.write(results[0].certificate.conditions.map((condition) => `  if ${condition}\n`).join(''))
}

/**
 * The spread of rules that have one. It is never guessed: with other offsets than those that the learners were trained by,
 * one poison reaches other learners, and more of them, than the rule counts.
 */
function offsetsOf(
  { offsets, spread }: Pick<CertifyVotesOptions, 'offsets' | 'spread'>,
  learners: number,
  needed: boolean,
): number[] | undefined {
  if (offsets === undefined) {
    if (!needed) return undefined
    throw invalidArgument(
      '--offsets',
      'the learners that bucket 0 reached, such as 0,3,7: rules with a spread count by them',
      offsets,
    )
  }
  const numbers = numbersOf('--offsets', offsets, 0)
  if (new Set(numbers).size !== numbers.length || numbers.some((offset) => offset >= learners))
    throw invalidArgument('--offsets', `different numbers below ${learners}, the number of learners`, offsets)
  if (spread !== undefined && spread !== numbers.length)
    throw invalidArgument('--spread', `${numbers.length}, as many as there are --offsets`, spread)
  if (learners % numbers.length !== 0)
    throw invalidArgument('--offsets', `as many numbers as divide ${learners} learners`, offsets)
  return numbers
}
