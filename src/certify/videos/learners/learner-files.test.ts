import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeSafetensors } from '../../../format/safetensors.ts'
import { digestOfLearner, LearnerFiles } from './learner-files.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-learner-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a learner that is missing or damaged is trained again; one that cannot be read is not', async () => {
  const directory = path.join(folder, 'learners')
  const files = await LearnerFiles.open(directory, 'plan', 2, 'kind')
  const states = [new Map([['weight', Float32Array.of(1, 2, 3)]])]
  const classNames = ['a', 'b']
  const learner = {
    record: {
      learner: 1,
      samples: 4,
      sha256: digestOfLearner({ description: 'kind', samples: 4, classNames }, states),
    },
    classNames,
    states,
  }
  expect(await files.read(1)).toBeNull()
  await files.write(learner)
  expect(await files.read(1)).toEqual(learner)
  const compute = async () => Float32Array.of(5, 6)
  const scores = () => files.scores('inputs', learner.record, compute)
  await scores()
  const scored = path.join(directory, 'scores-inputs')

  const places = [path.join(directory, 'learner-00001-of-00002.safetensors'), path.join(scored, readdirSync(scored)[0])]
  writeFileSync(places[0], 'damaged')
  expect(await files.read(1)).toBeNull()
  // A link to itself: the machine refuses to read it, as it does where a disk fails or too many files are open.
  for (const place of places) {
    rmSync(place)
    symlinkSync(place, place)
  }
  await expect(files.read(1)).rejects.toMatchObject({ code: 'ELOOP' })
  await expect(scores()).rejects.toMatchObject({ code: 'ELOOP' })
})

test('a number of seeds that the file has no tensors for takes no memory', async () => {
  const directory = path.join(folder, 'seeds')
  const files = await LearnerFiles.open(directory, 'plan', 1, 'kind')
  const tensors = new Map([['0/weight', { shape: [1], data: Float32Array.of(1) }]])
  const metadata = { samples: '4', seeds: '100000000', classNames: '["a","b"]', sha256: 'a'.repeat(64) }
  await writeSafetensors(path.join(directory, 'learner-00000-of-00001.safetensors'), tensors, metadata)
  const before = process.memoryUsage().rss
  expect(await files.read(0)).toBeNull()
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28)
})

test('scores that were changed, cut short or belong to other inputs are computed again', async () => {
  const directory = path.join(folder, 'scores')
  const files = await LearnerFiles.open(directory, 'plan', 1, 'kind')
  const record = { learner: 0, samples: 4, sha256: 'a'.repeat(64) }
  let computed = 0
  const scores = (inputs = 'i'.repeat(64)) =>
    files.scores(inputs, record, async () => {
      computed++
      return Float32Array.of(5, -6, 7)
    })
  expect(await scores()).toEqual(Float32Array.of(5, -6, 7))
  expect(await scores()).toEqual(Float32Array.of(5, -6, 7))
  expect(computed).toBe(1)
  const scored = path.join(directory, `scores-${'i'.repeat(16)}`)
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
})

test('a learner that was damaged after its training is refused, not used without its weights', async () => {
  const directory = path.join(folder, 'refused')
  const files = await LearnerFiles.open(directory, 'plan', 1, 'kind')
  const states = [new Map([['weight', Float32Array.of(1, 2)]])]
  const of = { description: 'kind', samples: 2, classNames: ['a', 'b'] }
  const record = { learner: 0, samples: 2, sha256: digestOfLearner(of, states) }
  await files.write({ record, classNames: of.classNames, states })
  expect(await files.readTrained(record)).toMatchObject({ record })
  const damaged = { code: 'LEARNER_DAMAGED', exit: 'data' }
  await expect(files.readTrained({ ...record, sha256: 'b'.repeat(64) })).rejects.toMatchObject(damaged)
  rmSync(path.join(directory, 'learner-00000-of-00001.safetensors'))
  await expect(files.readTrained(record)).rejects.toMatchObject(damaged)
})
