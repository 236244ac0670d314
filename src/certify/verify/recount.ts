/** Counts stored votes again: certificates of all inputs of one run, compared with what is stated. */
import { readStored, type StoredBallots, type StoredFlips } from '../files/stored-votes.ts'
import { type Ballots, ballotsOfInputs, joinedBallots, votesOfInput } from '../rules/ballot.ts'
import { certifyInputs, type RuleOptions } from '../rules/certify-ballots.ts'
import { certifyUnitFlips } from '../rules/label-flip.ts'
import type { InputCertificate } from '../rules/rule.ts'
import type { Differences } from './differences.ts'

/** An input as a certificate states it. */
export type StatedInput = { readonly id: string; readonly label: number | null } & InputCertificate

export interface RecountJob {
  /** Folder of the certificate. */
  readonly folder: string
  readonly ballots: StoredBallots
  /** For a white-box certificate, whose `rule` is `dpa`. */
  readonly flips: StoredFlips | null
  readonly rule: RuleOptions
  readonly inputs: readonly StatedInput[]
  /** Name of the run, and where it is in the file: `runs[0].`. */
  readonly run: string | null
  readonly at: string
  /** Whether the votes of inputs that are predicted right are wanted afterwards. */
  readonly keepRight: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

export interface Recount {
  readonly certificates: readonly InputCertificate[]
  /** First choices that are the label of their input. */
  readonly rightVotes: number
  /** [learners] inputs on which each has no vote. */
  readonly silent: Int32Array
  /** Of the inputs that are predicted right; null where not wanted. */
  readonly right: { readonly ballots: Ballots; readonly radii: readonly number[] } | null
}

/**
 * @throws VideoMaeError `CERTIFICATE_FILE_MISSING`, `CERTIFICATE_INVALID`, what `certifyBallots` throws for options that do not fit the
 *   votes; the reason of `signal`
 */
export async function recount(job: RecountJob, differences: Differences): Promise<Recount> {
  const { folder, ballots: stored, flips, rule, inputs, run, at } = job
  const { learners, classes } = stored
  const certificates: InputCertificate[] = []
  const silent = new Int32Array(learners)
  const right: Ballots[] = []
  let rightVotes = 0
  const digests = await readStored(folder, stored, flips, async ({ from, ballots, flips: costs }) => {
    const counted = await certifyInputs(ballots, rule, { signal: job.signal })
    const size = learners * (classes + 1)
    for (const [t, certificate] of counted.entries()) {
      const input = inputs[from + t]
      const votes = votesOfInput(ballots, t)
      for (let i = 0; i < learners; i++) {
        if (votes[i] === classes) silent[i]++
        else if (votes[i] === input.label) rightVotes++
      }
      const mine =
        flips === null || costs === null
          ? certificate
          : whiteBox(certificate, certifyUnitFlips(costs.subarray(t * size, (t + 1) * size), votes, classes, flips))
      certificates.push(mine)
      const { id, label: _, ...stated } = input
      differences.compare(`${at}inputs[${from + t}]`, stated, mine, { run, input: id })
    }
    if (job.keepRight) {
      const isRight = (t: number) => certificates[from + t].prediction === inputs[from + t].label
      right.push(
        ballotsOfInputs(
          ballots,
          counted.flatMap((_, t) => (isRight(t) ? [t] : [])),
        ),
      )
    }
    job.onProgress?.(from + counted.length, inputs.length)
  })
  differences.compare(`${at}ballots.sha256`, stored.sha256, digests.ballots, { run })
  if (flips !== null) differences.compare(`${at}flips.sha256`, flips.sha256, digests.flips, { run })
  const radii = certificates.flatMap(({ prediction, radius }, t) => (prediction === inputs[t].label ? [radius] : []))
  return { certificates, rightVotes, silent, right: job.keepRight ? { ballots: joinedBallots(right), radii } : null }
}

function whiteBox(
  { abstentions }: InputCertificate,
  { prediction, radius, rival }: { readonly prediction: number; readonly radius: number; readonly rival: number },
): InputCertificate {
  return { prediction, radius, rivals: [rival], abstentions }
}
