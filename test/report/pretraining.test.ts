/** Pages of pretraining runs, from small run folders. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeReport } from '../../src/report/results/write-report.ts'
import { runHere } from '../support/run-here.ts'
import { checkPage, hostileNames } from './check-page.ts'
import { makePretrainingRun, makeReconstruction } from './made-results.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-report-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const pageOf = async (location: string, options: { readonly pictures?: boolean } = {}): Promise<string> => {
  const written = await writeReport(location, { ...options, out: path.join(folder, 'page.html') })
  expect(written.kind).toBe('pretraining')
  return readFileSync(written.file, 'utf8')
}

describe('the page of a pretraining run', () => {
  test('is well-formed, the same each time, and sets the loss next to that of predicting the mean', async () => {
    const run = path.join(folder, 'run')
    makePretrainingRun(run, { bad: 2 })
    await makeReconstruction(path.join(run, 'reconstruction'))
    writeFileSync(
      path.join(run, 'signs.jsonl'),
      '{"step":0,"arrowOfTime":0.51,"flowDirection":0.6,"effectiveRank":24.6,"videos":100}\n' +
        '{"step":100,"arrowOfTime":0.57,"flowDirection":0.72,"effectiveRank":41.3,"videos":100}\n',
    )
    const page = await pageOf(run)
    const { problems, text, elements } = checkPage(page)
    expect(problems).toEqual([])
    expect(await pageOf(run)).toBe(page)
    expect(text).toContain('It has done 200 of 400 steps')
    expect(text).toContain('It was stopped, or it is still running')
    expect(text).toContain(
      'Its last loss is 0.2. Predicting the mean of every hidden patch has 0.99: the loss is 79.8 % lower.',
    )
    expect(text).toContain('2 videos could not be read')
    expect(text).toContain('where the picture moves (60.0 % at step 0, 72.0 % at step 100)')
    expect(text).toContain('the number of directions that they use (24.6 at step 0, 41.3 at step 100)')
    expect(text).toContain('avx2')
    expect(elements.filter((element) => element === 'img')).toHaveLength(1)
    expect(text).toContain('which the model does not know')
    const without = checkPage(await pageOf(run, { pictures: false }))
    expect(without.elements).not.toContain('img')
    expect(without.problems).toEqual([])
  })

  test('has numbers and no curve where signs of learning were measured once', async () => {
    const run = path.join(folder, 'begun')
    makePretrainingRun(run)
    const signs = '{"step":0,"arrowOfTime":0.51,"flowDirection":0.6,"effectiveRank":24.6,"videos":100}\n'
    writeFileSync(path.join(run, 'signs.jsonl'), signs)
    const page = await pageOf(run)
    const { problems, text } = checkPage(page)
    expect(problems).toEqual([])
    expect(text).toContain('direction of flow60.0 %at step 0; chance is 50 %')
    expect(page).not.toContain('Signs of learning over the steps')
  })

  test('says so where the model has learned nothing beyond the mean', async () => {
    const run = path.join(folder, 'flat')
    makePretrainingRun(run, { loss: () => 0.995 })
    const { text } = checkPage(await pageOf(run))
    expect(text).toContain('has 0.99: the model has learned almost nothing')
    expect(text).toContain('is not below the loss of predicting the mean')
  })

  test('of a run without a finished log interval, or with a line that was cut short, says what there is', async () => {
    const run = path.join(folder, 'short')
    makePretrainingRun(run, { lines: 0 })
    const empty = checkPage(await pageOf(run))
    expect(empty.problems).toEqual([])
    expect(empty.text).toContain('has not finished a log interval')
    makePretrainingRun(run, { lines: 3 })
    const file = path.join(run, 'metrics.jsonl')
    const whole = readFileSync(file, 'utf8')
    writeFileSync(file, whole.slice(0, -40))
    expect(checkPage(await pageOf(run)).text).toContain('It has done 20 of 400 steps')
    writeFileSync(file, `{"step": 1}\n${whole}`)
    await expect(writeReport(run)).rejects.toMatchObject({ code: 'RESULTS_INVALID' })
    writeFileSync(file, `nonsense\n${whole}`)
    await expect(writeReport(run)).rejects.toMatchObject({ code: 'HISTORY_UNREADABLE' })
  })

  test('of names that are meant to break it is as well-formed', async () => {
    for (const [i, name] of hostileNames.entries()) {
      const run = path.join(folder, `hostile ${i}`)
      makePretrainingRun(run, { name, bad: 1 })
      const { problems, text } = checkPage(await pageOf(run))
      expect(problems, name).toEqual([])
      if (/^[\x21-\x7e]+$/.test(name)) expect(text).toContain(`${name}0`)
    }
  })

  test('stays small with many lines, bad files and pictures', async () => {
    const run = path.join(folder, 'long')
    makePretrainingRun(run, { lines: 30_000, bad: 5000, loss: (step) => 1 + Math.sin(step) / 10 })
    await makeReconstruction(path.join(run, 'reconstruction-0'))
    const [animation, sheet] = ['webp', 'png'].map((kind) => readFileSync(path.join(run, `reconstruction-0.${kind}`)))
    for (let i = 1; i < 30; i++) {
      writeFileSync(path.join(run, `reconstruction-${i}.webp`), animation)
      writeFileSync(path.join(run, `reconstruction-${i}.png`), sheet)
    }
    writeFileSync(path.join(run, 'other.webp'), 'no picture')
    writeFileSync(path.join(run, 'other.png'), 'no picture')
    const page = await pageOf(run)
    expect(checkPage(page).problems).toEqual([])
    expect(checkPage(page).text).toContain('22 more left out')
  })
})

describe('videomae report', () => {
  test('finds the run of a demo, with the reconstructions next to it', async () => {
    const demo = path.join(folder, 'demo')
    makePretrainingRun(path.join(demo, 'run'))
    await makeReconstruction(path.join(demo, 'reconstruction-1'))
    const before = await runHere('report', demo)
    expect([before.code, before.document.error?.code]).toEqual([3, 'REPORT_NOTHING_FOUND'])
    writeFileSync(path.join(demo, '.videomae-demo'), '')
    const { code, document } = await runHere('report', demo)
    expect(code).toBe(0)
    expect(document).toMatchObject({ kind: 'pretraining', source: demo, file: path.join(demo, 'report.html') })
    expect(checkPage(readFileSync(path.join(demo, 'report.html'), 'utf8')).elements).toContain('img')
  })

  test('refuses a checkpoint, and says what to name', async () => {
    const run = path.join(folder, 'checkpoint')
    makePretrainingRun(run)
    const step = path.join(run, 'step-00000100')
    writeFileSync(path.join(step, 'config.json'), '{}')
    writeFileSync(path.join(step, 'model.safetensors'), '')
    const { document } = await runHere('report', step)
    expect(document.error?.code).toBe('REPORT_NOTHING_FOUND')
    expect(document.error?.message).toContain('name the folder of the run')
  })
})
