/** Learners on disk: what is whole is taken, what is not is trained again, and what cannot be read is neither. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { gaussians } from '../../../test/support/gaussians.ts'
import { writeSafetensors } from '../../format/safetensors.ts'
import { headLearners } from './heads/family.ts'
import type { EnsemblePlan, LearnerState, TrainedLearner } from './learners.ts'
import { FolderStore, folderStore } from './store.ts'
import { checkRecords } from './store-file.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-store-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a folder of heads', () => {
  const set = gaussians({ rows: 240, seed: 1 })
  const ridge = headLearners({ kind: 'ridge' })
  /** Two learners in a file. */
  const plan = (name: string, more: Partial<EnsemblePlan> = {}): EnsemblePlan & { readonly directory: string } => ({
    ...{ by: 'content', learners: 33, threads: 1, directory: path.join(folder, name) },
    ...more,
  })
  const fileIn = (directory: string, first: number) =>
    path.join(
      directory,
      readdirSync(directory).find((name) => name.startsWith(`learners-${String(first).padStart(5, '0')}-`)) ?? '',
    )

  test('is resumed after a kill, and repairs what is damaged', async () => {
    const wanted = plan('repaired')
    const { directory } = wanted
    const trained = await ridge.train(set, wanted)
    expect(readdirSync(directory).filter((name) => name.startsWith('learners-'))).toHaveLength(17)
    rmSync(fileIn(directory, 2))
    truncateSync(fileIn(directory, 10), 200)
    const resumed = await ridge.train(set, wanted)
    expect(resumed.resumed).toBe(29)
    expect(resumed.records).toEqual(trained.records)
    // A bit of the last weight of the second learner in the file, which has samples of all classes: the first one is whole.
    const file = fileIn(directory, 20)
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] ^= 1
    writeFileSync(file, bytes)
    const repaired = await ridge.train(set, wanted)
    expect([repaired.resumed, repaired.records]).toEqual([32, trained.records])
    expect(repaired.heads?.weights).toEqual(trained.heads?.weights)
    expect((await ridge.train(set, wanted)).resumed).toBe(33)
  })

  test('gives no learner the weights of another where a digit of its number has changed', async () => {
    const wanted = plan('digit', { learners: 12 })
    const trained = await ridge.train(set, wanted)
    // The same number of samples, and all classes: the digest of the weights does not tell whose they are.
    const whole = trained.records.filter(
      ({ learner }) => learner < 10 && !trained.heads?.knows.subarray(learner * 3, (learner + 1) * 3).includes(0),
    )
    const one = whole.find((a) => whole.some((b) => b.learner > a.learner && b.samples === a.samples))
    const other = whole.find((b) => b.learner > (one?.learner ?? 9) && b.samples === one?.samples)
    if (one === undefined || other === undefined) throw new Error('the set has no two learners that are alike')
    const file = fileIn(wanted.directory, other.learner)
    const [from, to] = [`learner\\":${other.learner},`, `learner\\":${one.learner},`]
    const changed = readFileSync(file, 'latin1').replace(from, to).replace(`"${other.learner}/0/`, `"${one.learner}/0/`)
    rmSync(fileIn(wanted.directory, one.learner))
    writeFileSync(file, changed, 'latin1')
    const resumed = await ridge.train(set, wanted)
    expect([resumed.resumed, resumed.records]).toEqual([10, trained.records])
    expect(resumed.heads?.weights).toEqual(trained.heads?.weights)
  })

  test('is kept where the machine does not let us read it, and refused where it is of another plan', async () => {
    const wanted = plan('unreadable', { learners: 12 })
    await ridge.train(set, wanted)
    const loop = path.join(wanted.directory, 'learners-00000-00011.safetensors')
    symlinkSync(loop, loop)
    await expect(ridge.train(set, wanted)).rejects.toMatchObject({ code: 'ELOOP' })
    rmSync(loop)
    await expect(headLearners({ kind: 'nearest_mean' }).train(set, wanted)).rejects.toThrow(/another plan/)
    const claim = path.join(wanted.directory, 'plan.json')
    writeFileSync(claim, '{"plan":')
    await expect(ridge.train(set, wanted)).rejects.toMatchObject({ code: 'STORE_MISMATCH' })
    rmSync(claim)
    symlinkSync(claim, claim)
    await expect(ridge.train(set, wanted)).rejects.toMatchObject({ code: 'ELOOP' })
  })

  test('that cannot be written ends the training with what the system said', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    })
    vi.spyOn(FolderStore.prototype, 'write').mockRejectedValue(full)
    try {
      for (const threads of [1, 2]) {
        const trained: number[] = []
        const wanted = plan(`full-${threads}`, { learners: 200, threads })
        const failed = ridge.train(set, { ...wanted, onProgress: (done) => trained.push(done) })
        await expect(failed).rejects.toBe(full)
        expect(Math.max(...trained)).toBeLessThan(200)
      }
    } finally {
      vi.restoreAllMocks()
    }
  })

  test('of shares is merged when all are there', async () => {
    const wanted = plan('shares', { learners: 12 })
    await ridge.train(set, { ...wanted, shard: { index: 0, count: 2 } })
    await expect(ridge.merge(set, wanted)).rejects.toThrow(/6 are missing: 6, 7/)
    await expect(ridge.train(set, { ...wanted, directory: undefined, shard: { index: 0, count: 2 } })).rejects.toThrow(
      /directory/,
    )
    const part = await ridge.train(set, { ...wanted, shard: { index: 1, count: 2 } })
    expect(part.records.map(({ learner }) => learner)).toEqual([6, 7, 8, 9, 10, 11])
    await expect(part.vote(set, { from: 0, to: 1 }, {})).rejects.toThrow(/all 12 base classifiers/)
    expect((await ridge.merge(set, wanted)).records).toHaveLength(12)
  })
})

/** The digest of these is their weights. */
const digestOf = (_learner: number, states: readonly LearnerState[]): string =>
  states.map((state) => state.get('w')?.join()).join(';')
const learner = (number: number, ...weights: readonly number[]): TrainedLearner => {
  const states = [new Map([['w', Float32Array.from(weights)]])]
  return { record: { learner: number, samples: 4, sha256: digestOf(number, states) }, states }
}
const storeIn = (name: string) => folderStore(path.join(folder, name), 'plan', digestOf)
async function readAll(name: string): Promise<TrainedLearner[]> {
  const found: TrainedLearner[] = []
  await (await storeIn(name)).read([0, 8], (one) => found.push(one))
  return found
}

test('two files with different results for one learner are refused', async () => {
  const store = await storeIn('disagree')
  await store.write([0, 1], [learner(0, 1)])
  await store.write([0, 2], [learner(0, 1), learner(1, 2)])
  expect(await readAll('disagree')).toEqual([learner(0, 1), learner(1, 2)])
  await store.write([0, 3], [learner(0, 7)])
  await expect(readAll('disagree')).rejects.toMatchObject({ code: 'STORE_MISMATCH' })
})

test('a number of seeds that the file has no tensors for takes no memory', async () => {
  const store = await storeIn('seeds')
  await store.write([0, 1], [learner(0, 1)])
  const tensors = new Map([['0/100000000/w', { shape: [1], data: Float32Array.of(1) }]])
  const learners = JSON.stringify([learner(0, 1).record])
  const metadata = { learners, digest: checkRecords('plan', learners) }
  await writeSafetensors(path.join(folder, 'seeds', 'learners-00000-00000.safetensors'), tensors, metadata)
  const before = process.memoryUsage().rss
  expect(await readAll('seeds')).toEqual([])
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28)
})

test('a learner that was damaged after its training is refused, not used without its weights', async () => {
  const store = await storeIn('damaged')
  const trained = learner(0, 1, 2)
  const damaged = { code: 'LEARNER_DAMAGED', exit: 'data' }
  await expect(store.statesOf(trained.record)).rejects.toMatchObject(damaged)
  await store.write([0, 1], [trained])
  expect(await store.statesOf(trained.record)).toEqual(trained.states)
  await expect(store.statesOf(learner(0, 1, 3).record)).rejects.toMatchObject(damaged)
  rmSync(path.join(folder, 'damaged', 'learners-00000-00000.safetensors'))
  await expect(store.statesOf(trained.record)).rejects.toMatchObject(damaged)
})

test('scores that were changed, cut short or belong to other inputs are computed again', async () => {
  const store = await storeIn('scores')
  const { record } = learner(0, 1)
  let computed = 0
  const scores = (inputs = 'i'.repeat(64)) =>
    store.scores(inputs, record, async () => {
      computed++
      return Float32Array.of(5, -6, 7)
    })
  expect(await scores()).toEqual(Float32Array.of(5, -6, 7))
  expect(await scores()).toEqual(Float32Array.of(5, -6, 7))
  expect(computed).toBe(1)
  const scored = path.join(folder, 'scores', `scores-${'i'.repeat(16)}`)
  const file = path.join(scored, readdirSync(scored)[0])
  const bytes = readFileSync(file)
  const flipped = Buffer.from(bytes)
  flipped[3] ^= 0x80 // the sign of the first score
  for (const damaged of [flipped, bytes.subarray(0, 8), bytes.subarray(0, -1), bytes.subarray(4), Buffer.alloc(0)]) {
    writeFileSync(file, damaged)
    computed = 0
    expect(await scores()).toEqual(Float32Array.of(5, -6, 7))
    expect(computed).toBe(1)
    expect(readFileSync(file)).toEqual(bytes)
  }
  // The name of the file holds a part of the digests only.
  await scores(`${'i'.repeat(16)}${'j'.repeat(48)}`)
  expect(computed).toBe(2)
  // A link to itself: the machine refuses to read it, as it does where a disk fails or too many files are open.
  rmSync(file)
  symlinkSync(file, file)
  await expect(scores()).rejects.toMatchObject({ code: 'ELOOP' })
})
