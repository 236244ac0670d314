import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import {
  type CertifyOptions,
  certificateTable,
  certify,
  type Threat,
  trainShare,
  writeCertificate,
} from '../certify/index.ts'
import { checkPlan, planCertification, prepareSets, prepareShare } from '../certify-videos/index.ts'
import { invalidArgument } from '../core/errors.ts'
import { headOf, numbersOf, progressOf, rulesOf, type VideoCommandOptions, videoOptions } from './certify-options.ts'
import { type CertifyVotesOptions, certifyVotes } from './certify-votes.ts'
import { parseShard } from './features.ts'
import { interruptSignal } from './run.ts'

export interface CertifyCommandOptions extends VideoCommandOptions, CertifyVotesOptions {
  readonly from?: string
  readonly partitions?: string
  readonly rule?: string
  readonly threat?: Threat
  readonly whiteBox?: boolean
  readonly collective?: string
  /** `3/16`: the third of sixteen cluster jobs. */
  readonly shard?: string
  /** `features` or `learners`: what a cluster job does. */
  readonly stage?: 'features' | 'learners'
  readonly perInput?: boolean
}

/** `videomae certify`. */
export async function certifyCommand(data: string | undefined, options: CertifyCommandOptions): Promise<void> {
  const { from, votes, threat = 'general', by = 'content', out, quiet = false, json = false } = options
  if (votes !== undefined) return certifyVotes(votes, options)
  if (data === undefined) throw invalidArgument('DATA', 'labelled videos, or --votes FILE', data)
  if (from === undefined) throw invalidArgument('--from', 'an encoder, untrained:CHECKPOINT or pixels', from)
  const rules = rulesOf(options.rule ?? 'dpa,roe')
  const partitions = numbersOf('--partitions', options.partitions ?? '50')
  const shard = options.shard === undefined ? null : parseShard(options.shard)
  if ((shard === null) !== (options.stage === undefined))
    throw invalidArgument('--shard', '--stage features or --stage learners beside it', options.shard)
  const interrupt = interruptSignal()
  try {
    const { signal } = interrupt
    const videos = videoOptions(data, from, options, signal)
    const plan = await planCertification(videos)
    checkPlan(plan, by, rules, threat)
    await mkdir(out, { recursive: true })
    if (shard !== null && options.stage === 'features') {
      await prepareShare(plan, videos, shard)
      return report(
        json,
        { stage: 'features', shard: options.shard },
        `features of part ${options.shard} are in ${videos.cache}`,
      )
    }
    const { set, test, encoder } = await prepareSets(plan, videos)
    const mathematics: CertifyOptions = {
      threat: { threat, encoder },
      by,
      partitions,
      rules,
      head: headOf(options),
      directory: path.join(out, 'learners'),
      spread: options.spread,
      seed: options.seed,
      threads: options.threads,
      whiteBox: options.whiteBox,
      perInput: options.perInput,
      ...(options.collective === undefined ? {} : { collective: numbersOf('--collective', options.collective) }),
      signal,
      onProgress: progressOf(quiet, 'learners'),
    }
    if (shard !== null) {
      await trainShare(set, mathematics, shard)
      return report(
        json,
        { stage: 'learners', shard: options.shard },
        `learners of part ${options.shard} are in ${out}`,
      )
    }
    const { certificate, manifests } = await certify(set, test, mathematics)
    await writeCertificate(out, certificate, manifests)
    const { threat: statement, runs, ...rest } = certificate
    const summary = {
      ...rest,
      threat: statement,
      testVideos: test.rows,
      division: plan.division.how,
      runs: runs.map(({ inputs: _, ...run }) => run),
      out,
    }
    report(
      json,
      summary,
      `${set.rows} rows of ${certificate.trainingVideos} training videos, ${test.rows} to predict (${plan.division.how})\n` +
        `threat     ${statement.threat}; one poison is ${statement.unit}\nencoder    ${from} (${statement.encoder.trust}${statement.encoder.overlap === null ? '' : `, ${statement.encoder.overlap} protected videos in its training`})\n` +
        `${statement.claim}\n${statement.conditions.map((condition) => `  if ${condition}\n`).join('')}\n${certificateTable(certificate)}\nwrote  ${path.join(out, 'certificate.json')}`,
    )
  } finally {
    interrupt.dispose()
  }
}

export function report(json: boolean, value: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`)
}
