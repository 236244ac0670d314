import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { findCheckpoint, saveCheckpoint, type TrainerState } from './checkpoint.ts'
import { emptyMetrics } from './metrics.ts'
import { RunDirectory } from './run-directory.ts'

const folder = folderForTests('videomae-checkpoint-')
let run: RunDirectory
beforeEach(() => {
  run = new RunDirectory(mkdtempSync(path.join(folder, 'run-')))
})

function save(step: number, keep: number): Promise<string> {
  const state: Omit<TrainerState, 'format' | 'version' | 'digests'> = {
    ...{ step, seed: 0, engine: 'none', configuration: {}, badFiles: [] },
    data: { entries: 1, digest: '' },
    metrics: emptyMetrics,
  }
  const writeModel = async (directory: string) => writeFileSync(path.join(directory, 'weights'), `of step ${step}`)
  return saveCheckpoint(run, { writeModel, optimizer: new Map(), state }, keep)
}
/** Writes a state on purpose, without its own digest. */
function edit(file: string, change: (state: TrainerState) => object): void {
  const { digest: _, ...state } = JSON.parse(readFileSync(file, 'utf8')) as TrainerState
  writeFileSync(file, JSON.stringify(change(state)))
}
const damage = (step: number) => writeFileSync(path.join(run.checkpointPath(step), 'weights'), 'cut off')

test('a checkpoint is never removed for its low step when it has just been written', async () => {
  for (const step of [500, 1000]) await save(step, 2)
  damage(1000)
  // Resumed from 500, had the damaged one not been moved aside.
  await save(700, 2)
  expect(await run.checkpointSteps()).toEqual([1000, 700])
  await save(800, 1)
  expect(await run.checkpointSteps()).toEqual([800])
})

test.each(['weights', 'trainer-state.json'])(
  'that the %s cannot be read now does not make it damaged',
  async (name) => {
    for (const step of [500, 1000]) await save(step, 2)
    const file = path.join(run.checkpointPath(1000), name)
    rmSync(file)
    symlinkSync(name, file) // leads to itself: it cannot be opened, whoever asks
    const problems: string[] = []
    await expect(findCheckpoint(run, (problem) => problems.push(problem))).rejects.toMatchObject({ code: 'ELOOP' })
    expect(problems).toEqual([])
    rmSync(file) // that it is gone is no matter of the moment
    expect((await findCheckpoint(run, (problem) => problems.push(problem)))!.state.step).toBe(500)
    expect(problems).toHaveLength(1)
  },
)

test('damaged checkpoints that a resumed run passes over are moved aside, each under a name of its own', async () => {
  for (const step of [500, 1000]) await save(step, 2)
  damage(1000)
  expect((await findCheckpoint(run))!.state.step).toBe(500)
  expect(await run.setAsideAfter(500)).toEqual([path.join(run.path, 'damaged-step-00001000')])
  await save(700, 1)
  expect((await readdir(run.path)).sort()).toEqual(['damaged-step-00001000', 'step-00000700'])
  await save(1000, 2)
  damage(1000)
  await run.setAsideAfter(700)
  expect((await readdir(run.path)).sort()).toEqual([
    'damaged-step-00001000',
    'damaged-step-00001000-2',
    'step-00000700',
  ])
})

test('a state of another step than its folder is damaged: the run would continue with other data', async () => {
  for (const step of [500, 1000]) await save(step, 2)
  const file = path.join(run.checkpointPath(1000), 'trainer-state.json')
  edit(file, (state) => ({ ...state, step: 1600 }))
  const problems: string[] = []
  expect((await findCheckpoint(run, (problem) => problems.push(problem)))!.state.step).toBe(500)
  expect(problems).toEqual([expect.stringContaining('trainer-state.json: expected step 1000')])
})

test('a state that was changed is damaged, and says which key to remove where that was on purpose', async () => {
  for (const step of [500, 1000]) await save(step, 2)
  const file = path.join(run.checkpointPath(1000), 'trainer-state.json')
  const written = readFileSync(file, 'utf8')
  writeFileSync(file, JSON.stringify(JSON.parse(written))) // another form of the same
  expect((await findCheckpoint(run))!.state.step).toBe(1000)
  for (const [from, to] of [
    ['"seed": ', '"seed": 1'],
    ['"badFiles"', '"badfiles"'],
    ['"digest": "', '"digest": "0'],
  ]) {
    expect(written).toContain(from)
    writeFileSync(file, written.replace(from, to))
    const problems: string[] = []
    expect((await findCheckpoint(run, (problem) => problems.push(problem)))!.state.step).toBe(500)
    expect(problems).toEqual([expect.stringMatching(/step-00001000: trainer-state\.json: expected .* key digest\)$/)])
  }
})

test('a state that names a file as no file can be called is damaged', async () => {
  await save(500, 2)
  const file = path.join(run.checkpointPath(500), 'trainer-state.json')
  edit(file, (state) => ({ ...state, digests: { ...state.digests, ['a'.repeat(5000)]: 'a digest' } }))
  await expect(findCheckpoint(run)).rejects.toMatchObject({ code: 'CHECKPOINT_DAMAGED' })
})

test.each(['../elsewhere', '/dev/zero', 'a/../../elsewhere', '', './weights', 'C:\\elsewhere'])(
  'a state that names %j as a file of the checkpoint is damaged, and that file is not read',
  async (name) => {
    await save(500, 2)
    writeFileSync(path.join(run.path, 'elsewhere'), 'of somebody else')
    const file = path.join(run.checkpointPath(500), 'trainer-state.json')
    edit(file, (state) => ({ ...state, digests: { ...state.digests, [name]: 'a digest' } }))
    await expect(findCheckpoint(run)).rejects.toThrow(/expected files of this folder, received \["/)
  },
)

test.each(['accumulated', 'metrics.window.norms', 'data.order'])(
  'a state with the unknown key %s is named, and no run continues from an older one',
  async (key) => {
    for (const step of [500, 1000]) await save(step, 2)
    const file = path.join(run.checkpointPath(1000), 'trainer-state.json')
    edit(file, (state: Record<string, unknown>) => {
      const location = key.split('.')
      const section = location.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, state)
      section[location.at(-1) ?? ''] = 1
      return state
    })
    const problems: string[] = []
    await expect(findCheckpoint(run, (problem) => problems.push(problem))).rejects.toMatchObject({
      code: 'CHECKPOINT_DAMAGED',
      message: expect.stringContaining(`but received ${key}.`),
    })
    expect(problems).toEqual([])
  },
)
