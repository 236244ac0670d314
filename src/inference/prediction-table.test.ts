import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readTable } from '../format/csv.ts'
import type { Prediction } from './predict.ts'
import { growingTable, predictionCsv, predictionCsvStart } from './prediction-table.ts'

const names = ['a, "b"\nc', '=HYPERLINK("http://x")', ' @sum', '+1', '-2', '\uFF1D1', 'plain', '#1']
const fieldsOf = (text: string) =>
  readTable(text, ',', (line, message) => expect.fail(`${line}: ${message}`)).records.map(({ fields }) => fields)

test('a table of predictions is read as what it was, and no class is a formula', () => {
  const predictions = names.map(
    (label): Prediction => ({
      ...{
        video: 'x.mp4',
        ok: true,
        label,
        classes: [
          { label, probability: 0.1 + 0.2 },
          { label: 'other', probability: 0.1 },
        ],
      },
    }),
  )
  const text = predictionCsv(predictions)
  expect(text.startsWith(`${predictionCsvStart},class1,probability1,class2,probability2,error,reason\n`)).toBe(true)
  const [header, ...rows] = fieldsOf(text)
  expect(header.slice(0, 5)).toEqual(['path', 'start', 'end', 'label', 'probability'])
  const guarded = ['a, "b"\nc', `'=HYPERLINK("http://x")`, "' @sum", "'+1", "'-2", "'\uFF1D1", 'plain', '#1']
  expect(rows.map((row) => row[3])).toEqual(guarded)
  expect(rows.map((row) => row[5])).toEqual(guarded)
  expect(rows[0].slice(4)).toEqual(['0.3', 'a, "b"\nc', '0.3', 'other', '0.1', '', ''])
})

test('windows, videos below the threshold and unreadable ones have a line each', () => {
  const text = predictionCsv([
    {
      video: 'a.mp4',
      part: { start: 0, end: 2 },
      ok: true,
      label: 'left',
      classes: [{ label: 'left', probability: 1 }],
    },
    { video: 'a.mp4', part: { start: 2 }, ok: true, label: null, classes: [{ label: 'left', probability: 0.4 }] },
    { video: '=b.mp4', ok: false, code: 'VIDEO_UNREADABLE', reason: '=b.mp4, no video' },
  ])
  expect(text).toBe(
    `${predictionCsvStart},class1,probability1,error,reason\n` +
      `${path.resolve('a.mp4')},0,2,left,1,left,1,,\n` +
      `${path.resolve('a.mp4')},2,,,,left,0.4,,\n` +
      `${path.resolve('=b.mp4')},,,,,,,VIDEO_UNREADABLE,"'=b.mp4, no video"\n`,
  )
})

test('a table grows by lines: what stands in it is neither kept in memory nor written again', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-growing-table-'))
  try {
    const file = path.join(folder, 'table.csv')
    writeFileSync(file, `${predictionCsvStart},of an earlier run\n`)
    const unreadable: Prediction = { video: 'b.mp4', ok: false, code: 'VIDEO_UNREADABLE', reason: 'no video' }
    const read = (video: string): Prediction => ({
      ...{ video, ok: true, label: 'left', classes: [{ label: 'left', probability: 1 }] },
    })
    const write = growingTable(file, 1)
    await write([unreadable]) // Its line has the fields of the classes, too.
    appendFileSync(file, 'by hand\n')
    await write([read('a.mp4')])
    const [header, first, second] = predictionCsv([unreadable, read('a.mp4')]).split('\n')
    expect(readFileSync(file, 'utf8')).toBe([header, first, 'by hand', second, ''].join('\n'))
    rmSync(file) // Moved away: a new one begins.
    await write([read('c.mp4')])
    expect(readFileSync(file, 'utf8')).toBe(predictionCsv([read('c.mp4')]))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
