import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
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
