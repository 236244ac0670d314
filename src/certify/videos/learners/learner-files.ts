/**
 * Learners trained on an engine, on disk: a file each, so that a killed job goes on and an array of jobs shares the work.
 *
 *   plan.json                        what the learners depend on; another plan is refused
 *   learner-00017-of-00100.safetensors   weights of all seeds (`SEED/NAME`), with the number of samples and a SHA-256
 *   scores-DIGEST/00017-SHA.scores   [seeds, inputs, classes of the learner] float32 scores of a learner on one set of inputs, then
 *                                    the 32 bytes of a SHA-256 over the learner, the inputs and the scores
 *
 * A file whose digest does not match its weights is trained again; scores whose digest does not match are computed again.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../../../core/errors.ts'
import { makeFolder } from '../../../core/make-folder.ts'
import { replaceFile, writeFileAtomic } from '../../../format/atomic.ts'
import { bytesOf } from '../../../format/file-bytes.ts'
import { nullIfMissing } from '../../../format/missing.ts'
import { readRegularFile } from '../../../format/regular-file.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../../../format/safetensors.ts'
import { stateDigest } from '../../../model/digest.ts'
import type { ModelState } from '../../../model/model-state.ts'
import { checkPlan } from '../../ensemble/heads/store.ts'
import type { LearnerRecord } from '../../ensemble/learners.ts'

export interface TrainedLearner {
  readonly record: LearnerRecord
  /** The classes of its samples, ascending: its scores are of these. */
  readonly classNames: readonly string[]
  /** [seeds] weights by name; none where the learner has no samples, or samples of one class only. */
  readonly states: readonly ModelState[]
}

/** SHA-256 of everything that names a trained learner. */
export function digestOfLearner(
  of: { readonly description: string; readonly samples: number; readonly classNames: readonly string[] },
  states: readonly ModelState[],
): string {
  const hash = createHash('sha256').update(JSON.stringify([of.description, of.samples, of.classNames]))
  for (const state of states) hash.update(stateDigest(state))
  return hash.digest('hex')
}

export class LearnerFiles {
  private readonly directory: string
  private readonly learners: number
  private readonly description: string

  private constructor(directory: string, learners: number, description: string) {
    this.directory = directory
    this.learners = learners
    this.description = description
  }

  /**
   * @param description of the base learner; a part of each digest
   * @throws VideoMaeError `STORE_MISMATCH` when the folder belongs to another plan
   */
  static async open(directory: string, plan: string, learners: number, description: string): Promise<LearnerFiles> {
    makeFolder(directory)
    await checkPlan(directory, plan)
    return new LearnerFiles(directory, learners, description)
  }

  /** Null where the learner is not there or not whole. */
  async read(learner: number): Promise<TrainedLearner | null> {
    try {
      const file = await readSafetensors(this.fileOf(learner))
      try {
        const { sha256, seeds } = file.metadata
        const samples = Number(file.metadata.samples)
        const classNames = JSON.parse(file.metadata.classNames) as string[]
        // Each has tensors, so that a number alone takes no memory.
        if (!(Number(seeds) <= file.names.length)) return null
        const states = Array.from({ length: Number(seeds) }, () => new Map<string, Float32Array>())
        for (const name of file.names) {
          const [seed, parameter] = splitOnce(name)
          states[Number(seed)].set(parameter, await file.readFloat32(name))
        }
        if (digestOfLearner({ description: this.description, samples, classNames }, states) !== sha256) return null
        return { record: { learner, samples, sha256 }, classNames, states }
      } finally {
        await file.close()
      }
    } catch (error) {
      // What the machine does not let us read may be whole: only what is missing or damaged is trained again.
      return (error as NodeJS.ErrnoException).syscall === undefined ? null : nullIfMissing(error)
    }
  }

  /**
   * A learner that was read or written before.
   *
   * @throws VideoMaeError `LEARNER_DAMAGED` where its file is not there any more, or is another
   */
  async readTrained({ learner, sha256 }: LearnerRecord): Promise<TrainedLearner> {
    const found = await this.read(learner)
    if (found?.record.sha256 === sha256) return found
    throw new VideoMaeError(
      `Expected learner ${learner} in ${this.fileOf(learner)} as it was trained, but the file has changed since.`,
      {
        code: 'LEARNER_DAMAGED',
        exit: 'data',
        hint: 'Run the same command again: what is damaged is trained again. Two programs must not write to one folder but as shares of one plan.',
      },
    )
  }

  async write({ record, classNames, states }: TrainedLearner): Promise<void> {
    const tensors = new Map<string, SafetensorsTensor>()
    for (const [s, state] of states.entries())
      for (const [name, data] of state) tensors.set(`${s}/${name}`, { shape: [data.length], data })
    const metadata = {
      samples: String(record.samples),
      seeds: String(states.length),
      classNames: JSON.stringify(classNames),
      sha256: record.sha256,
    }
    await replaceFile(this.fileOf(record.learner), (temporary) => writeSafetensors(temporary, tensors, metadata))
  }

  /**
   * Scores of a learner on inputs, computed once.
   *
   * @param inputs digest of the inputs
   */
  async scores(inputs: string, { learner, sha256 }: LearnerRecord, compute: () => Promise<Float32Array>) {
    const folder = path.join(this.directory, `scores-${inputs.slice(0, 16)}`)
    const file = path.join(folder, `${String(learner).padStart(5, '0')}-${sha256.slice(0, 16)}.scores`)
    const bytes = await readRegularFile(file).catch(nullIfMissing)
    const known = bytes === null ? null : checkedScores(bytes, inputs, sha256)
    if (known !== null) return known
    const scores = await compute()
    makeFolder(folder)
    await writeFileAtomic(file, Buffer.concat([bytesOf(scores), digestOfScores(bytesOf(scores), inputs, sha256)]))
    return scores
  }

  /** A folder for the training of one learner, empty; `remove` ends it. */
  async workFolder(learner: number, seed: number): Promise<{ readonly folder: string; remove(): Promise<void> }> {
    const folder = path.join(this.directory, `work-${learner}-${seed}`)
    const remove = () => rm(folder, { recursive: true, force: true })
    await remove() // what a kill left
    return { folder, remove }
  }

  private fileOf(learner: number): string {
    const [number, count] = [learner, this.learners].map((value) => String(value).padStart(5, '0'))
    return path.join(this.directory, `learner-${number}-of-${count}.safetensors`)
  }
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

function splitOnce(name: string): [string, string] {
  const at = name.indexOf('/')
  return [name.slice(0, at), name.slice(at + 1)]
}
