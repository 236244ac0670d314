/**
 * Trained learners on disk, a digest for each, so that a killed job continues and an array of jobs shares the work:
 *
 *   plan.json                              what the learners depend on; another plan is refused
 *   learners-00000-00063.safetensors       learners 0 to 63: weights `LEARNER/SEED/NAME`; in the metadata `learners`, their records, and
 *                                          `digest`, a SHA-256 of the plan and these records
 *   scores-DIGEST/00017-SHA.scores         scores of a learner on one set of inputs: float32 [seeds, inputs, classes of the learner],
 *                                          then the 32 bytes of a SHA-256 over the learner, the inputs and the scores
 *
 * A file appears whole or not at all. A learner whose digest does not match its weights is trained again; scores whose digest does not
 * match are computed again.
 */
import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { makeFolder, makeTemporaryFolder } from '../../core/make-folder.ts'
import { cleanLeftovers, replaceFile, writeFileAtomic } from '../../format/atomic.ts'
import { bytesOf } from '../../format/file-bytes.ts'
import { jsonOrNull } from '../../format/json.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { readRegularFile, readRegularText } from '../../format/regular-file.ts'
import { type SafetensorsTensor, writeSafetensors } from '../../format/safetensors.ts'
import type { LearnerRecord, LearnerState, TrainedLearner } from './learners.ts'
import type { Range } from './queue.ts'
import { checkRecords, readLearnersFile } from './store-file.ts'

export interface LearnerStore {
  /** Whether what is written outlives the process. */
  readonly kept: boolean
  /**
   * Learners from..to-1 that are there and whole, one by one.
   *
   * @throws VideoMaeError `STORE_MISMATCH` where two files have different results for one learner
   */
  read(range: Range, each: (learner: TrainedLearner) => void): Promise<void>
  write(range: Range, learners: readonly TrainedLearner[]): Promise<void>
  /**
   * Weights of a learner that was read or written before.
   *
   * @throws VideoMaeError `LEARNER_DAMAGED` where its file is not there any more, or is another
   */
  statesOf(record: LearnerRecord): Promise<readonly LearnerState[]>
  /**
   * Scores of a learner on inputs, computed once.
   *
   * @param inputs digest of the inputs
   */
  scores(inputs: string, record: LearnerRecord, compute: () => Promise<Float32Array>): Promise<Float32Array>
  /** A folder for the training of one learner, not made yet; `remove` ends it. */
  workFolder(learner: number, seed: number): Promise<{ readonly folder: string; remove(): Promise<void> }>
}

/** Learners that end with the process. */
export function memoryStore(): LearnerStore {
  const states = new Map<number, readonly LearnerState[]>()
  return {
    kept: false,
    async read() {},
    async write(_, learners) {
      for (const learner of learners) states.set(learner.record.learner, learner.states)
    },
    statesOf: async ({ learner }) => states.get(learner) ?? [],
    scores: (_inputs, _record, compute) => compute(),
    async workFolder() {
      const folder = makeTemporaryFolder('learner')
      return { folder: path.join(folder, 'run'), remove: () => rm(folder, { recursive: true, force: true }) }
    },
  }
}

/** SHA-256 that a learner with these weights has. */
type DigestOf = (learner: number, states: readonly LearnerState[]) => string

/**
 * @param plan digest of what the learners depend on
 * @throws VideoMaeError `STORE_MISMATCH` when the folder belongs to another plan
 */
export async function folderStore(directory: string, plan: string, digestOf: DigestOf): Promise<LearnerStore> {
  makeFolder(directory)
  await claimFolder(directory, plan)
  return new FolderStore(directory, plan, digestOf)
}

/** Claims the folder for a plan. @throws VideoMaeError `STORE_MISMATCH` when it belongs to another */
async function claimFolder(directory: string, plan: string): Promise<void> {
  const file = path.join(directory, 'plan.json')
  const found = await readRegularText(file).catch(nullIfMissing)
  if (found === null) {
    await writeFileAtomic(file, `${JSON.stringify({ schema: 'videomae.learners/2', plan })}\n`)
    return
  }
  if ((jsonOrNull(found) as { plan?: unknown } | null)?.plan !== plan) {
    throw new VideoMaeError(
      `Expected base classifiers of this plan in ${directory}, but they belong to another plan.`,
      {
        code: 'STORE_MISMATCH',
        exit: 'data',
        hint: 'The data, the encoder, the options or the program changed: use another folder.',
      },
    )
  }
}

const five = (value: number): string => String(value).padStart(5, '0')

export class FolderStore implements LearnerStore {
  readonly kept = true
  private readonly directory: string
  private readonly plan: string
  private readonly digestOf: DigestOf
  /** Where each learner is that was read or written. */
  private readonly files = new Map<number, string>()

  constructor(directory: string, plan: string, digestOf: DigestOf) {
    this.directory = directory
    this.plan = plan
    this.digestOf = digestOf
  }

  async read([from, to]: Range, each: (learner: TrainedLearner) => void): Promise<void> {
    const found = new Map<number, string>()
    for (const name of (await readdir(this.directory)).sort()) {
      const [, first, last] = /^learners-(\d+)-(\d+)\.safetensors$/.exec(name) ?? []
      if (first === undefined || Number(first) >= to || Number(last) < from) continue
      const file = path.join(this.directory, name)
      for await (const learner of readLearnersFile(file, this.plan, this.digestOf)) {
        const { record } = learner
        if (record.learner < from || record.learner >= to) continue
        const known = found.get(record.learner)
        if (known !== undefined && known !== record.sha256) throw resultsDiffer(record.learner)
        if (known !== undefined) continue
        found.set(record.learner, record.sha256)
        this.files.set(record.learner, file)
        each(learner)
      }
    }
  }

  async write([from, to]: Range, learners: readonly TrainedLearner[]): Promise<void> {
    const file = path.join(this.directory, `learners-${five(from)}-${five(to - 1)}.safetensors`)
    const tensors = new Map<string, SafetensorsTensor>()
    for (const { record, states } of learners)
      for (const [s, state] of states.entries())
        for (const [name, data] of state) tensors.set(`${record.learner}/${s}/${name}`, { shape: [data.length], data })
    const records = JSON.stringify(learners.map(({ record }) => record))
    const metadata = { learners: records, digest: checkRecords(this.plan, records) }
    await cleanLeftovers(this.directory, (name) => name === path.basename(file))
    await replaceFile(file, (temporary) => writeSafetensors(temporary, tensors, metadata))
    for (const { record } of learners) this.files.set(record.learner, file)
  }

  async statesOf(record: LearnerRecord): Promise<readonly LearnerState[]> {
    const file = this.files.get(record.learner)
    if (file !== undefined)
      for await (const found of readLearnersFile(file, this.plan, this.digestOf, record.learner))
        if (found.record.sha256 === record.sha256) return found.states
    throw new VideoMaeError(
      `Expected base classifier ${record.learner} in ${file ?? this.directory} as it was trained, but the file has changed since.`,
      {
        code: 'LEARNER_DAMAGED',
        exit: 'data',
        hint: 'Run the same command again: it trains the damaged parts again. Two programs may write to one folder only as shares of one plan.',
      },
    )
  }

  async scores(inputs: string, record: LearnerRecord, compute: () => Promise<Float32Array>): Promise<Float32Array> {
    const folder = path.join(this.directory, `scores-${inputs.slice(0, 16)}`)
    const file = path.join(folder, `${five(record.learner)}-${record.sha256.slice(0, 16)}.scores`)
    const bytes = await readRegularFile(file).catch(nullIfMissing)
    const known = bytes === null ? null : checkedScores(bytes, inputs, record.sha256)
    if (known !== null) return known
    const scores = await compute()
    makeFolder(folder)
    await writeFileAtomic(
      file,
      Buffer.concat([bytesOf(scores), digestOfScores(bytesOf(scores), inputs, record.sha256)]),
    )
    return scores
  }

  async workFolder(learner: number, seed: number) {
    const folder = path.join(this.directory, `work-${learner}-${seed}`)
    const remove = () => rm(folder, { recursive: true, force: true })
    await remove() // what a kill left
    return { folder, remove }
  }
}

function resultsDiffer(learner: number): VideoMaeError {
  return new VideoMaeError(`Expected one result for base classifier ${learner}, but two shares disagree.`, {
    code: 'STORE_MISMATCH',
    exit: 'data',
    hint: 'Training is deterministic, so machines or program versions differ. Train again in a new folder.',
  })
}

const digestBytes = 32

function digestOfScores(scores: Uint8Array, inputs: string, learner: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([inputs, learner]))
    .update(scores)
    .digest()
}

/** Null where the bytes are not what was written for this learner and these inputs. */
function checkedScores(bytes: Uint8Array, inputs: string, learner: string): Float32Array | null {
  const scores = bytes.slice(0, Math.max(0, bytes.length - digestBytes))
  if (!digestOfScores(scores, inputs, learner).equals(bytes.subarray(scores.length))) return null
  return new Float32Array(Uint8Array.from(scores).buffer)
}
