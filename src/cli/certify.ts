import path from 'node:path'
import { checkRules } from '../certify/certify-plan.ts'
import {
  certificateRemarks,
  certificateTable,
  requireCertificateFolder,
  runName,
} from '../certify/files/certificate-file.ts'
import { defaultRules, type Rule } from '../certify/rules/list.ts'
import { checkRequirements, parseRequirements, type Requirement } from '../certify/rules/requirement.ts'
import { type CertifiedVideos, type CertifyVideosJob, certifyVideosShare } from '../certify/videos/certify-videos.ts'
import { describeClasses } from '../certify/videos/class-list.ts'
import { type GroupClaim, planGroups, requireFreshStart } from '../certify/videos/group-plan.ts'
import { pretrainGroups, writeGroupLists } from '../certify/videos/groups.ts'
import { type LearnerOptions, startsFresh } from '../certify/videos/learners/learner-options.ts'
import { leftOutSummary } from '../certify/videos/reading.ts'
import { seenRemarks } from '../certify/videos/seen-inputs.ts'
import { planOptionsOf } from '../certify/videos/study.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { printable } from '../core/printable.ts'
import { Ranks } from '../distributed/ranks.ts'
import { type RunConfiguration, runSchema } from '../train/configuration.ts'
import { loadConfiguration } from '../train/configuration-file.ts'
import { rankPart } from '../train/rank-resources.ts'
import { recipeFile } from '../train/recipes.ts'
import { parseShard } from './arguments.ts'
import { certifyOnRanks } from './certify-on-ranks.ts'
import {
  bucketsOf,
  budgetsOf,
  groupCount,
  learnerOf,
  noteOf,
  numbersOf,
  rulesOf,
  videoOptions,
} from './certify-options.ts'
import { endAsRequired, showRequirements } from './certify-requirements.ts'
import { certifyVotesCommand } from './certify-votes.ts'
import type { CertifyCommandOptions } from './commands/certify.ts'
import { interruptSignal } from './interrupt.ts'
import { requireOneProcess } from './one-process.ts'
import { requirePage, writePage } from './page.ts'
import { printResult } from './print-result.ts'
import { formatRanks, onRanks } from './ranks.ts'
import { targetsOf, targetText } from './target-option.ts'

/** `videomae certify`: a whole certification on all ranks that a launcher has started, other work in one process. */
export async function certifyCommand(data: string | undefined, given: CertifyCommandOptions): Promise<void> {
  const { votes, shard, stage, plan } = given
  const alone =
    votes !== undefined ? '--votes' : plan === true ? '--plan' : stage === 'groups' ? '--stage groups' : null
  if (alone !== null) requireOneProcess(`certify ${alone}`)
  if (votes !== undefined) return certifyVotesCommand(votes, given)
  if (shard !== undefined || stage !== undefined || plan === true) return certifyOn(Ranks.alone(), data, given)
  return onRanks('certify', given, (ranks) => certifyOn(ranks, data, given))
}

async function certifyOn(ranks: Ranks, data: string | undefined, given: CertifyCommandOptions): Promise<void> {
  if (data === undefined) throw invalidArgument('DATA', 'labeled videos, or --votes FILE', data)
  const rules = given.rule === undefined ? defaultRules : rulesOf(given.rule)
  const part = rankPart(ranks)
  const resources = { threads: given.threads ?? part, workers: given.workers ?? part }
  const quiet = given.quiet === true || ranks.rank > 0
  const options = { ...given, ...bucketsOf(rules, given), ...resources, quiet }
  const { threat, by, out, json = false, stage } = options
  const shard = options.shard === undefined ? null : parseShard(options.shard)
  if ((shard === null) !== (stage === undefined || stage === 'groups'))
    throw invalidArgument('--shard', '--stage features or --stage learners together with it', options.shard)
  const requirements = parseRequirements(options.require ?? [], '--require')
  if (requirements.length > 0 && stage !== undefined)
    throw unusedArgument('--require', 'with --stage, which ends before there is a certificate', requirements[0].text)
  refuseBesidePlan(options, requirements)
  if (options.report === true && stage !== undefined)
    throw unusedArgument('--report', 'with --stage, which ends before there is a certificate', true)
  // Before hours of work: lists that cannot be read, and rules that do not go with the partitions.
  const partitions = numbersOf('--partitions', options.partitions, 'partitions')
  const collective = budgetsOf(options.collective)
  const groups = groupCount(options.groups, options.from ?? [])
  const { spread, seedsPerPartition: seeds, whiteBox } = options
  if (stage !== 'groups') {
    checkRules({ partitions, rules, groups, by, collective, spread, seeds, whiteBox })
    await ranks.agree(() => requireCertificateFolder(out, true))
  }
  const hint = 'Run the same command again: finished features, encoders and base classifiers are kept.'
  const interrupt = interruptSignal(hint, ranks.size > 1 ? ranks.rank : null)
  if (ranks.size > 1) noteOf(quiet)(formatRanks(ranks))
  try {
    const { signal } = interrupt
    const learner = await ranks.agree(async () => {
      await requirePage(options.report, out)
      if (options.plan !== true) makeFolder(out)
      return learnerOf(options, options.learner)
    })
    // Encoders of groups are pretrained by the first rank.
    const encoders = async () => (ranks.rank > 0 ? null : encodersOf(data, learner, { ...options, rules }, signal))
    const from = await ranks.fromFirst(await ranks.workTogether(encoders, signal))
    if (from === null) return
    const job: CertifyVideosJob = {
      ...videoOptions(data, from, learner, options, signal),
      ...{ by, threat, partitions, rules, groups, collective },
      targetClasses: targetsOf(options.target),
      spread: options.spread,
      whiteBox: options.whiteBox,
      perInput: options.perInput,
      seedsPerPartition: options.seedsPerPartition,
    }
    if (options.plan === true) {
      const { planCommand } = await import('./certify-plan.ts')
      return await planCommand(job, { lethalDose: options.lethalDose, requirements, json })
    }
    if (shard !== null && (stage === 'features' || stage === 'learners')) {
      await certifyVideosShare(job, { stage, shard })
      const where = stage === 'features' ? (options.cache ?? path.join(out, 'store')) : out
      return printResult(json, { stage, shard: options.shard }, `${stage} of part ${options.shard} are in ${where}`)
    }
    const certified = await certifyOnRanks(ranks, job)
    if (certified === null) return
    const files = [...certified.files, ...(await writePage(options.report, out))]
    reportCertificate({ ...certified, files }, { from, out, json, requirements })
  } finally {
    interrupt.dispose()
  }
}

/** A plan is of one whole certification with encoders that are there. */
function refuseBesidePlan(
  {
    plan = false,
    lethalDose,
    stage,
    groupRecipe,
    report: page,
  }: Pick<CertifyCommandOptions, 'plan' | 'lethalDose' | 'stage' | 'groupRecipe' | 'report'>,
  requirements: readonly Requirement[],
): void {
  if (!plan) {
    if (lethalDose !== undefined) throw unusedArgument('--lethal-dose', 'without --plan', lethalDose)
    return
  }
  if (stage !== undefined) throw unusedArgument('--plan', 'with --stage, which is a part of a certification', true)
  if (page === true) throw unusedArgument('--report', 'with --plan, which writes no certificate', true)
  if (groupRecipe !== undefined)
    throw unusedArgument('--plan', 'with --group-recipe: pretrain the encoders first', true)
  if (requirements.length > 0 && lethalDose === undefined)
    throw unusedArgument('--require', 'with --plan, unless --lethal-dose says what to expect', requirements[0].text)
}

/** The encoders that are named, or that are pretrained here, one for each group; null where only lists were wanted. */
async function encodersOf(
  data: string,
  learner: LearnerOptions,
  options: Omit<CertifyCommandOptions, 'by' | 'threat'> &
    Pick<GroupClaim, 'by' | 'threat'> & { readonly rules: readonly Rule[] },
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const { from = [], groups, groupRecipe, stage, out, by, threat, rules, json = false, quiet = false } = options
  if (groups !== undefined && from.length === 1)
    throw invalidArgument('--groups', 'one --from for each group, or none and --group-recipe', groups)
  if (stage !== 'groups' && groupRecipe === undefined) {
    if (from.length > 0) return from
    throw invalidArgument('--from', 'an encoder, untrained:CHECKPOINT or pixels', undefined)
  }
  if (groups === undefined || groups < 2 || from.length > 0)
    throw invalidArgument('--groups', 'a number of at least 2, without --from', groups)
  // Before hours of pretraining: a recipe that cannot be used, and what certification would refuse behind it.
  const configuration = groupRecipe === undefined ? null : await groupConfiguration(groupRecipe, options)
  const all = planOptionsOf(videoOptions(data, [], learner, options, signal), by)
  const claim = { groups, by, threat, rules: configuration === null ? null : rules }
  const { videos, groupOf } = await planGroups(all, claim)
  const folder = path.join(out, 'groups')
  makeFolder(folder)
  const lists = await writeGroupLists(folder, videos, groupOf, groups)
  if (configuration === null) {
    printResult(
      json,
      { stage, lists: lists.map(({ list }) => list) },
      `pretrain one encoder on each, then name them with --from in this order:\n${lists.map(({ list }) => list).join('\n')}`,
    )
    return null
  }
  return pretrainGroups(lists, configuration, folder, { signal, onNote: noteOf(quiet) })
}

async function groupConfiguration(
  recipe: string,
  { engine, threads, workers }: Pick<CertifyCommandOptions, 'engine' | 'threads' | 'workers'>,
): Promise<RunConfiguration> {
  const overrides = [
    { path: ['engine', 'name'], value: engine, origin: '--engine' },
    { path: ['engine', 'threads'], value: threads, origin: '--threads' },
    { path: ['data', 'workers'], value: workers, origin: '--workers' },
  ].filter(({ value }) => value !== undefined)
  const configuration = await loadConfiguration(runSchema, { file: recipeFile(recipe, 'pretrain'), overrides })
  requireFreshStart(configuration)
  return configuration
}

function reportCertificate(
  { certificate, files, inputs: test, plan }: CertifiedVideos,
  about: {
    readonly from: readonly string[]
    readonly out: string
    readonly json: boolean
    readonly requirements: readonly Requirement[]
  },
): void {
  const { from, out, json, requirements } = about
  const { how } = plan.split
  const learner = plan.learner.kind
  const { threat: statement, runs, data, ...rest } = certificate
  const { encoder } = statement
  const summary = {
    ...rest,
    threat: statement,
    testVideos: test,
    division: how,
    data,
    runs: runs.map(({ inputs: _, ...run }) => run),
    out,
    files,
  }
  const measured = runs.map((run) => ({ run: runName(run), inputs: run.summary.inputs, summary: run.summary }))
  const required = checkRequirements(measured, requirements)
  if (json) {
    endAsRequired(summary, required)
    return
  }
  const overlap = encoder.overlap === null ? '' : `, ${encoder.overlap} protected videos in its training`
  const origin = startsFresh(learner)
    ? `none: each base classifier starts from fresh weights, with the sizes of ${from.join(', ')}`
    : `${from.join(', ')} (${encoder.trust}${overlap})`
  process.stdout.write(
    `${certificate.trainingRows} rows of ${certificate.trainingVideos} training videos, ${test} to predict (${how})\n` +
      `rows       ${data.rows}; ${leftOutSummary(data.leftOut) || 'none left out'}\n` +
      seenRemarks(data.seen)
        .map((remark) => `warning    ${remark}\n`)
        .join('') +
      `classes    ${describeClasses(data, certificate.classNames)}\n` +
      `threat     ${statement.threat}; one poisoned sample is ${statement.unit}\n` +
      `encoder    ${origin}\nclassifier ${certificate.learner.kind}\n` +
      `${statement.claim}\n${statement.conditions.map((condition) => `  if ${condition}\n`).join('')}\n` +
      `${certificateTable(certificate)}\n${certificateRemarks(certificate).map(printable).join('\n')}\n` +
      runs
        .flatMap((run) =>
          (run.targeted ?? []).map((target) => `${runName(run)}: ${targetText(target, certificate.classNames)}\n`),
        )
        .join('') +
      files.map((file) => `wrote  ${file}\n`).join(''),
  )
  showRequirements(required)
}
