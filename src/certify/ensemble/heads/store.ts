/**
 * Trained learners on disk, one digest each, so that a killed job goes on and an array of jobs shares the work.
 *
 *   plan.json                     what the learners depend on; another plan is refused
 *   shard-00000-of-00004.f32      records of [classes, width + 1] float32, little-endian, in order of completion
 *   shard-00000-of-00004.jsonl    one line a record: {"learner":17,"samples":21,"sha256":"...","crc":...}
 *
 * The line is written after the weights are. A record whose digest does not match its bytes is trained again, as is one whose line
 * does not match its checksum: the digest is of the weights, and does not say whose they are.
 */
import { type FileHandle, open, readdir, truncate } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../../../core/errors.ts'
import { makeFolder } from '../../../core/make-folder.ts'
import { writeFileAtomic } from '../../../format/atomic.ts'
import { crc32c } from '../../../format/crc32c.ts'
import { bytesOf, readFully } from '../../../format/file-bytes.ts'
import { jsonOrNull } from '../../../format/json.ts'
import { nullIfMissing } from '../../../format/missing.ts'
import { openRegularFile, readRegularText } from '../../../format/regular-file.ts'
import type { LearnerRecord, Shard } from '../learners.ts'
import { weightsLength } from './head.ts'
import { digestOfLearner, type TrainJob } from './job.ts'

interface StorePlan {
  readonly plan: string
  readonly job: TrainJob
  readonly shard: Shard
}

function shardName(shard: StorePlan['shard']): string {
  return `shard-${String(shard.index).padStart(5, '0')}-of-${String(shard.count).padStart(5, '0')}`
}

/** Claims the folder for a plan. @throws VideoMaeError `STORE_MISMATCH` when it belongs to another */
export async function checkPlan(directory: string, plan: string): Promise<void> {
  const file = path.join(directory, 'plan.json')
  const found = await readRegularText(file).catch(nullIfMissing)
  if (found === null) {
    await writeFileAtomic(file, `${JSON.stringify({ schema: 'videomae.learners/1', plan })}\n`)
    return
  }
  if ((jsonOrNull(found) as { plan?: unknown } | null)?.plan !== plan) {
    throw new VideoMaeError(`Expected learners of this plan in ${directory}, but they belong to another one.`, {
      code: 'STORE_MISMATCH',
      exit: 'data',
      hint: 'Data, encoder, learner, partitions, spread or the program changed: use another folder.',
    })
  }
}

/** Reads what is whole in one shard into the job's weights. Returns the records and how many bytes of each file hold them. */
export async function restoreShard(
  base: string,
  job: TrainJob,
): Promise<{ records: LearnerRecord[]; weightBytes: number; lineBytes: number }> {
  const lines = await readRegularText(`${base}.jsonl`).catch(nullIfMissing)
  const file = lines === null ? null : await openRegularFile(`${base}.f32`).catch(nullIfMissing)
  if (lines === null || file === null) return { records: [], weightBytes: 0, lineBytes: 0 }
  const weights = new Float32Array(weightsLength(job.classes, job.width))
  const bytes = bytesOf(weights)
  const records: LearnerRecord[] = []
  let lineBytes = 0
  try {
    for (const line of lines.split('\n').slice(0, -1)) {
      const record = recordOf(line)
      if (record === null || !(record.learner >= 0 && record.learner < job.learners)) break
      // Record by record: a shard may be larger than a file that can be read at once.
      if ((await readFully(file, bytes, records.length * bytes.length)) < bytes.length) break
      if (digestOfLearner(job, record, weights) !== record.sha256) break
      job.weights.set(weights, record.learner * weights.length)
      records.push(record)
      lineBytes += Buffer.byteLength(line) + 1
    }
  } finally {
    await file.close()
  }
  return { records, weightBytes: records.length * bytes.length, lineBytes }
}

/** The line of a record, with its checksum. */
export function lineOf(record: LearnerRecord): string {
  return `${JSON.stringify({ ...record, crc: checksum(record) })}\n`
}

/** Null for a line that is not what was written. */
function recordOf(line: string): LearnerRecord | null {
  const found = jsonOrNull(line) as (LearnerRecord & { readonly crc?: number }) | null
  if (found === null) return null
  const { crc, learner, samples, sha256 } = found
  const record = { learner, samples, sha256 }
  return crc === checksum(record) ? record : null
}

function checksum({ learner, samples, sha256 }: LearnerRecord): number {
  return crc32c(Buffer.from(JSON.stringify([learner, samples, sha256])))
}

/** The shards in a folder, as paths without extension. */
export async function listShards(directory: string): Promise<string[]> {
  const files = (await readdir(directory)).filter((file) => /^shard-\d+-of-\d+\.jsonl$/.test(file)).sort()
  return files.map((file) => path.join(directory, file.slice(0, -'.jsonl'.length)))
}

export class LearnerStore {
  readonly restored: readonly LearnerRecord[]
  private readonly job: TrainJob
  private readonly weights: FileHandle
  private readonly lines: FileHandle

  private constructor(job: TrainJob, restored: readonly LearnerRecord[], weights: FileHandle, lines: FileHandle) {
    this.job = job
    this.restored = restored
    this.weights = weights
    this.lines = lines
  }

  /** @throws VideoMaeError `STORE_MISMATCH` */
  static async open(directory: string, { plan, job, shard }: StorePlan): Promise<LearnerStore> {
    makeFolder(directory)
    await checkPlan(directory, plan)
    const base = path.join(directory, shardName(shard))
    const { records, weightBytes, lineBytes } = await restoreShard(base, job)
    const mine = new Set(records.map((record) => record.learner))
    // What other shares have trained already need not be trained again; what they are writing now is simply not seen.
    for (const other of await listShards(directory)) {
      if (other === base) continue
      for (const record of (await restoreShard(other, job)).records) {
        if (mine.has(record.learner)) continue
        mine.add(record.learner)
        records.push(record)
      }
    }
    const weights = await open(`${base}.f32`, 'a')
    const lines = await open(`${base}.jsonl`, 'a')
    await truncate(`${base}.f32`, weightBytes) // a torn tail is dropped
    await truncate(`${base}.jsonl`, lineBytes)
    return new LearnerStore(job, records, weights, lines)
  }

  async append(records: readonly LearnerRecord[]): Promise<void> {
    const length = weightsLength(this.job.classes, this.job.width)
    for (const { learner } of records) {
      const mine = this.job.weights.subarray(learner * length, (learner + 1) * length)
      await this.weights.appendFile(new Uint8Array(mine.slice().buffer))
    }
    await this.weights.sync()
    await this.lines.appendFile(records.map(lineOf).join(''))
  }

  async close(): Promise<void> {
    try {
      await this.lines.sync()
    } finally {
      await this.weights.close()
      await this.lines.close()
    }
  }
}
