import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeReport } from '../../src/report/results/write-report.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runHere } from '../support/run-here.ts'
import { checkPage, hostileNames } from './check-page.ts'
import { makeClassifierRun, makeEvaluation } from './made-results.ts'

let folder: string
let files: readonly string[]
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-report-'))
  files = (await generateMotionDataset(path.join(folder, 'videos'), { clips: 3, size: 32, frames: 8 })).files
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const pageOf = async (location: string, options: { readonly pictures?: boolean } = {}): Promise<string> => {
  const written = await writeReport(location, { ...options, out: path.join(folder, 'page.html') })
  expect(written.kind).toBe('classifier')
  return readFileSync(written.file, 'utf8')
}

describe('the page of a classifier', () => {
  test('is well-formed, the same each time, and has the numbers of the evaluation', async () => {
    const run = path.join(folder, 'run')
    await makeClassifierRun(run)
    await makeEvaluation(path.join(run, 'evaluation'))
    const page = await pageOf(run)
    const { problems, text } = checkPage(page)
    expect(problems).toEqual([])
    expect(await pageOf(run)).toBe(page)
    const { top1, balanced, baseline, calibrationError } = JSON.parse(
      readFileSync(path.join(run, 'evaluation', 'evaluation.json'), 'utf8'),
    )
    for (const share of [top1.value, balanced.value, baseline.majority.value, baseline.chance, calibrationError])
      expect(text).toContain(`${(100 * share).toFixed(1)} %`)
    expect(text).toContain(`95 %: ${(100 * top1.low).toFixed(1)} to ${(100 * top1.high).toFixed(1)} %`)
    expect(text).toContain('in 10 groups')
    // The groups of the made split are on all sides.
    expect(text).toContain('10 groups of videos are on more than one side of the split')
    expect(text).toContain('1 video could not be read and is not counted')
    expect(text).toContain('30 of 40 steps done')
    expect(text).toContain('were not available')
  })

  test('sorts mistakes by confidence, and shows the clips that are at hand', async () => {
    const run = path.join(folder, 'with clips')
    const made = {
      videos: 24,
      pathOf: (i: number) => (i < files.length ? files[i] : `/gone/${i}.mp4`),
      mistakeOf: (i: number) => (i < files.length ? 0.999 - i / 1000 : null),
    }
    await makeClassifierRun(run, made)
    await makeEvaluation(path.join(run, 'evaluation'), made)
    const page = await pageOf(run)
    const { problems, text, elements } = checkPage(page)
    expect(problems).toEqual([])
    expect(elements.filter((element) => element === 'img')).toHaveLength(files.length)
    const order = [
      ...text.slice(text.indexOf('Wrong predictions with the highest probability')).matchAll(/(\d+\.\d) %/g),
    ].map(([, share]) => Number(share))
    expect(order.slice(0, 3)).toEqual([99.9, 99.8, 99.7])
    expect(await pageOf(run)).toBe(page)
    const without = checkPage(await pageOf(run, { pictures: false }))
    expect(without.elements).not.toContain('img')
    expect(without.problems).toEqual([])
  })

  test('shows no frames of files that the run names and that were not evaluated', async () => {
    const run = path.join(folder, 'of somebody else')
    const made = { videos: 6, pathOf: (i: number) => files[i % files.length], mistakeOf: () => 0.99 }
    await makeClassifierRun(run, made)
    await makeEvaluation(path.join(run, 'evaluation'), made)
    const file = path.join(run, 'evaluation', 'predictions.jsonl')
    const lines = readFileSync(file, 'utf8')
    for (const digest of ['0'.repeat(64), null]) {
      writeFileSync(file, lines.replaceAll(/"sha256":"[0-9a-f]{64}"/g, `"sha256":${JSON.stringify(digest)}`))
      const { elements, text } = checkPage(await pageOf(run))
      expect(elements).not.toContain('img')
      expect(text).toContain(digest === null ? 'does not record the content' : 'has changed since the evaluation')
    }
    writeFileSync(file, lines)
    expect(checkPage(await pageOf(run)).elements).toContain('img')
  })

  test('of names that are meant to break it is as well-formed', async () => {
    for (const [i, name] of hostileNames.entries()) {
      const run = path.join(folder, `hostile ${i}`)
      const made = { labels: [`${name}0`, `${name}1`, `${name}2`], pathOf: (k: number) => `/gone/${name}${k}` }
      await makeClassifierRun(run, made, { mode: 'full', name, [`${name}.`]: { [name]: name } })
      await makeEvaluation(path.join(run, 'evaluation'), made)
      const { problems, text } = checkPage(await pageOf(run))
      expect(problems, name).toEqual([])
      if (/^[\x21-\x7e]+$/.test(name)) expect(text).toContain(`${name}0`)
    }
  })

  test('stays small and readable with hundreds of classes', async () => {
    const out = path.join(folder, 'many')
    await makeEvaluation(out, { labels: Array.from({ length: 400 }, (_, c) => `class number ${c}`), videos: 4000 })
    const page = await pageOf(out)
    expect(checkPage(page).problems).toEqual([])
    expect(page.length).toBeLessThan(600_000)
  })

  test('says what is missing of a run that was cut short', async () => {
    const run = path.join(folder, 'short')
    await makeClassifierRun(run)
    const untested = checkPage(await pageOf(run))
    expect(untested.problems).toEqual([])
    expect(untested.text).toContain('the run was stopped before its test')
    expect(untested.text).toContain('chosen by it')
    const trainOnly = readFileSync(path.join(run, 'split.csv'), 'utf8')
      .split('\n')
      .filter((line) => !line.endsWith('test'))
    writeFileSync(path.join(run, 'split.csv'), trainOnly.join('\n'))
    expect(checkPage(await pageOf(run)).text).toContain('Its split has no test videos')
    for (const name of ['split.csv', 'metrics.jsonl', 'validation.jsonl']) rmSync(path.join(run, name))
    const bare = checkPage(await pageOf(run))
    expect(bare.problems).toEqual([])
    expect(bare.text).toContain('stopped before its videos were split')
  })

  test('of an evaluation alone says that the training is not there, and leaves out files that are missing', async () => {
    const out = path.join(folder, 'alone')
    await makeEvaluation(out)
    for (const name of ['confusion.json', 'predictions.jsonl']) {
      rmSync(path.join(out, name))
      const { problems, text } = checkPage(await pageOf(out))
      expect(problems).toEqual([])
      expect(text).toContain('only the results of evaluate')
      expect(text).toContain(`missing (${name})`)
    }
  })

  test('is refused for files of different evaluations', async () => {
    const [out, other] = [path.join(folder, 'mixed'), path.join(folder, 'other')]
    await makeEvaluation(out)
    await makeEvaluation(other, { mistakeOf: (i) => (i === 3 ? 0.9 : null) })
    for (const name of ['predictions.jsonl', 'confusion.json', 'evaluation.json']) {
      const whole = readFileSync(path.join(out, name), 'utf8')
      const lines = whole.trimEnd().split('\n')
      const [first, second, ...rest] = lines
      const changes = [readFileSync(path.join(other, name), 'utf8')]
      // One video less, and two labels the other way round.
      if (name === 'predictions.jsonl') changes.push(`${lines.slice(1).join('\n')}\n`, whole.slice(0, -20), '')
      if (name === 'confusion.json') changes.push(whole.replace('"left"', '"down"'))
      if (name === 'evaluation.json') changes.push(whole.replace('"videos": 10', '"videos": 9'))
      if (name === 'predictions.jsonl')
        changes.push([first.replace('"label":"left"', '"label":"up"'), second, ...rest, ''].join('\n'))
      for (const text of changes) {
        expect(text).not.toBe(whole)
        writeFileSync(path.join(out, name), text)
        await expect(writeReport(out, { out: path.join(folder, 'mixed.html') }), name).rejects.toMatchObject({
          code: 'RESULTS_INVALID',
        })
      }
      writeFileSync(path.join(out, name), whole)
      await writeReport(out, { out: path.join(folder, 'mixed.html') })
    }
  })

  test('is not written about the configuration of another program', async () => {
    const run = path.join(folder, 'foreign')
    await makeClassifierRun(run, {}, { mode: 'dark' })
    await expect(writeReport(run)).rejects.toMatchObject({ code: 'REPORT_NOTHING_FOUND' })
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    writeFileSync(path.join(run, 'config.json'), `{"mode":"full","deep":${deep}}`)
    await expect(writeReport(run)).rejects.toMatchObject({ code: 'RESULTS_INVALID' })
  })

  test('is refused for results that are damaged', async () => {
    const out = path.join(folder, 'damaged')
    await makeEvaluation(out)
    const file = path.join(out, 'evaluation.json')
    const text = readFileSync(file, 'utf8')
    for (const [damaged, field] of [
      [text.slice(0, 200), 'evaluation.json'],
      [text.replace(/"calibrationError": [\d.e-]+/, '"calibrationError": "high"'), 'calibrationError'],
      [text.replace(/"value": [\d.]+/, '"value": 17'), 'top1.value'],
    ]) {
      writeFileSync(file, damaged)
      const { code, document } = await runHere('report', out)
      expect([code, document.error?.code]).toEqual([3, 'RESULTS_INVALID'])
      expect(document.error?.message).toContain(field)
    }
  })
})

test('videomae report says that it is a classifier', async () => {
  const out = path.join(folder, 'command')
  await makeEvaluation(out)
  const { code, document } = await runHere('report', out)
  expect(code).toBe(0)
  expect(document).toMatchObject({ kind: 'classifier', source: out, file: path.join(out, 'report.html') })
})
