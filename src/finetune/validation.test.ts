/** Oracle: the weights that are in best/, one bias of which is the step they are of. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { type Classifier, classifierShapes, openClassifier } from '../inference/classifier.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { BestCheckpoint } from './validation.ts'

const folder = folderForTests('videomae-validation-')

const configuration = resolveConfiguration({
  imageSize: 16,
  frames: 2,
  patch: 8,
  encoder: { width: 8, depth: 1, heads: 1 },
})
const shape = { configuration, head: { kind: 'linear' }, labels: ['a', 'b'] } as const
const weights = initialize(classifierShapes(shape), 0)
const classifierOf = (step: number): Classifier => {
  const state = new Map([...weights, ['head.bias', Float32Array.of(step, 0)]])
  return { ...shape, state, sampling: { kind: 'dense', stride: 1, fps: null } }
}

let run: string
beforeEach(() => {
  run = mkdtempSync(path.join(folder, 'run-'))
})
const chosen = async () => (await openClassifier(path.join(run, 'best'))).state.get('head.bias')![0]
const validate = (best: BestCheckpoint, step: number, accuracy: number) =>
  best.add({ step, accuracy, loss: 1, videos: 2, failures: 0 }, async () => classifierOf(step))
const checkpointAt = (step: number) => mkdirSync(path.join(run, `step-${String(step).padStart(8, '0')}`))
async function resumedFrom(step: number): Promise<BestCheckpoint> {
  const best = new BestCheckpoint(run)
  await best.rewind(step)
  return best
}

test('a run that is resumed has the best weights of the passes that it still knows', async () => {
  const first = await resumedFrom(0)
  await validate(first, 200, 0.4)
  await validate(first, 400, 0.5)
  checkpointAt(500)
  await validate(first, 600, 0.8)
  await validate(first, 700, 0.9)
  expect(await chosen()).toBe(700)

  // Killed before the next checkpoint. With other threads the repeated passes come out lower.
  const second = await resumedFrom(500)
  expect(second.best!.step).toBe(400)
  expect(await chosen()).toBe(400)
  await validate(second, 600, 0.45)
  expect(second.best!.step).toBe(400)
  await validate(second, 700, 0.6)
  checkpointAt(1000)
  expect([(await resumedFrom(1000)).best!.step, await chosen()]).toEqual([700, 700])
  await second.finish()
  expect([(await resumedFrom(1000)).best!.step, await chosen()]).toEqual([700, 700])
})

test('a pass whose weights cannot be brought back is no longer chosen, then or later', async () => {
  const first = await resumedFrom(0)
  await validate(first, 400, 0.5)
  checkpointAt(450)
  checkpointAt(500)
  await validate(first, 600, 0.9)
  rmSync(path.join(run, 'best-before'), { recursive: true })

  const second = new BestCheckpoint(run)
  expect(await second.rewind(450)).toEqual({ lost: true })
  expect(second.best).toBeNull()
  await validate(second, 600, 0.3)
  expect([second.best!.step, await chosen()]).toEqual([600, 600])
  const third = new BestCheckpoint(run)
  expect(await third.rewind(600)).toEqual({ lost: false })
  expect([third.best!.step, await chosen()]).toEqual([600, 600])
  expect(readFileSync(path.join(run, 'validation.jsonl'), 'utf8')).toMatch(/"step":400,.*"lost":true/)
})

test('a run of an earlier version, whose best weights do not say their step, continues', async () => {
  const first = await resumedFrom(0)
  await validate(first, 400, 0.5)
  checkpointAt(500)
  rmSync(path.join(run, 'best', 'chosen.json'))
  const second = new BestCheckpoint(run)
  expect(await second.rewind(500)).toEqual({ lost: false })
  expect(second.best!.step).toBe(400)
})
