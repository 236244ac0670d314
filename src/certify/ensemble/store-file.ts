/** One file of trained learners, read as if anybody could have written it. */
import { nullIfMissing } from '../../format/missing.ts'
import { readSafetensors, type SafetensorsFile } from '../../format/safetensors.ts'
import { sha256 } from './hash.ts'
import type { LearnerRecord, LearnerState, TrainedLearner } from './learners.ts'

/** What binds the records of a file to their plan and their numbers: the digest of a learner is of its weights, and does not say whose they are. */
export function checkRecords(plan: string, records: string): string {
  return sha256(`${plan}\n${records}`)
}

/**
 * The whole learners of a file. What is missing or damaged is left out; what the machine does not let us read may be whole, so its error
 * is thrown.
 *
 * @param digestOf SHA-256 that a learner with these weights has
 * @param only the number of one learner
 */
export async function* readLearnersFile(
  file: string,
  plan: string,
  digestOf: (learner: number, states: readonly LearnerState[]) => string,
  only?: number,
): AsyncGenerator<TrainedLearner, void, undefined> {
  const opened = await unlessDamaged(() => readSafetensors(file))
  if (opened === null) return
  try {
    const tensors = namesByLearner(opened)
    for (const record of recordsOf(opened, plan)) {
      if (only !== undefined && record.learner !== only) continue
      const states = await unlessDamaged(() => statesOf(opened, tensors.get(String(record.learner)) ?? []))
      if (states !== null && digestOf(record.learner, states) === record.sha256) yield { record, states }
    }
  } finally {
    await opened.close()
  }
}

async function unlessDamaged<Result>(read: () => Promise<Result>): Promise<Result | null> {
  try {
    return await read()
  } catch (error) {
    return (error as NodeJS.ErrnoException).syscall === undefined ? null : nullIfMissing(error)
  }
}

/** None where they are not what was written for this plan. */
function recordsOf({ metadata }: SafetensorsFile, plan: string): readonly LearnerRecord[] {
  const { learners, digest } = metadata
  if (learners === undefined || checkRecords(plan, learners) !== digest) return []
  return JSON.parse(learners) as readonly LearnerRecord[]
}

interface NamedTensor {
  /** In the file. */
  readonly tensor: string
  readonly seed: number
  readonly name: string
}

function namesByLearner({ names }: SafetensorsFile): Map<string, NamedTensor[]> {
  const found = new Map<string, NamedTensor[]>()
  for (const tensor of names) {
    const [, learner, seed, name] = /^(\d+)\/(\d+)\/(.*)$/s.exec(tensor) ?? []
    if (learner === undefined) continue
    const mine = found.get(learner) ?? []
    found.set(learner, mine)
    mine.push({ tensor, seed: Number(seed), name })
  }
  return found
}

async function statesOf(file: SafetensorsFile, tensors: readonly NamedTensor[]): Promise<LearnerState[]> {
  const states: Map<string, Float32Array>[] = []
  // Every seed has tensors, so that a number alone takes no memory.
  for (const { tensor, seed, name } of tensors.toSorted((a, b) => a.seed - b.seed)) {
    if (seed > states.length) return []
    if (seed === states.length) states.push(new Map())
    states[seed].set(name, await file.readFloat32(tensor))
  }
  return states
}
