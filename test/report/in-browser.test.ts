/** Pages as a reader sees and uses them, in a headless Chromium: on a screen and a phone, light, dark and printed, with mouse and keyboard. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openLivePage } from '../../src/report/live/server.ts'
import { writeReport } from '../../src/report/results/write-report.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { writeAllCertificates } from '../support/all-certificates.ts'
import { findChromium } from '../support/browser.ts'
import { Browser, type Tab, type View } from './browser.ts'
import { lookAtPage, walkPage } from './look-at-page.ts'
import { makeClassifierRun, makeEvaluation, makePretrainingRun, makeReconstruction } from './made-results.ts'

const chromium = findChromium()
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-browser-'))
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)
let browser: Browser
let tab: Tab

const screen = { width: 1100, height: 900 }
const views: readonly (readonly [string, View])[] = [
  ['a light screen', { ...screen, scheme: 'light' }],
  ['a dark screen', { ...screen, scheme: 'dark' }],
  ['a phone', { width: 390, height: 844, scheme: 'light' }],
  ['paper, from a dark screen', { width: 794, height: 1123, scheme: 'dark', media: 'print' }],
]

/** A result of each kind, and long names in one of them. */
async function makeResults(): Promise<Readonly<Record<string, string>>> {
  makePretrainingRun(inFolder('pretraining'), { bad: 2, name: 'a folder/with quite a long name of a video.mp4' })
  await makeReconstruction(inFolder('pretraining', 'reconstruction'))
  const { files } = await generateMotionDataset(inFolder('videos'), { clips: 2, size: 32, frames: 8 })
  const labels = ['a class with a long name', 'left', 'right', 'up', 'down', 'clockwise', 'counterclockwise']
  const made = {
    labels,
    pathOf: (i: number) => files[i] ?? `/gone/${i}.mp4`,
    mistakeOf: (i: number) => (i < 2 ? 0.9 : null),
  }
  await makeClassifierRun(inFolder('classifier'), made)
  await makeEvaluation(inFolder('classifier', 'evaluation'), made)
  const { general, flips } = await writeAllCertificates(inFolder('certificates'))
  return {
    pretraining: inFolder('pretraining'),
    classifier: inFolder('classifier'),
    severalRules: general,
    oneRule: flips,
  }
}

describe.skipIf(chromium === null)(
  `pages in a browser${chromium === null ? ' (no Chromium in PATH or VIDEOMAE_CHROMIUM)' : ''}`,
  () => {
    const pages: Record<string, string> = {}
    beforeAll(async () => {
      browser = new Browser(chromium!)
      tab = await browser.open()
      for (const [name, result] of Object.entries(await makeResults()))
        pages[name] = pathToFileURL((await writeReport(result, { out: inFolder(`${name}.html`) })).file).href
    })
    afterAll(async () => {
      await browser.close()
      rmSync(folder, { recursive: true, force: true })
    })

    describe.each(views)('reports on %s', (_, view) => {
      test('have text that can be read, and nothing cut off or covered', async () => {
        await tab.show(view)
        for (const [name, address] of Object.entries(pages)) {
          await tab.go(address)
          await tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
          const { texts, ...faults } = await lookAtPage(tab)
          expect(texts, name).toBeGreaterThan(60)
          expect(faults, name).toEqual({ faint: [], beyond: [], cut: [], covered: [] })
        }
      })
    })

    test('reports can be read with the keyboard alone, on a screen and on a phone', async () => {
      for (const [, view] of [views[0], views[2]]) {
        await tab.show(view)
        for (const [name, address] of Object.entries(pages)) {
          await tab.go(address)
          const { controls, missed } = await walkPage(tab)
          expect(controls, name).toBeGreaterThan(5)
          expect(missed, name).toEqual([])
        }
      }
    })

    test('readers who want less motion get still pictures', async () => {
      const isStill = `(() => {
        const { src, currentSrc } = document.querySelector('.pictures img')
        return currentSrc !== src
      })()`
      for (const still of [false, true]) {
        await tab.show({ ...screen, scheme: 'light', still })
        await tab.go(pages.pretraining)
        expect(await tab.evaluate(isStill)).toBe(still)
      }
    })

    test('a live page follows its run, and its buttons save and stop it', async () => {
      const run = inFolder('live')
      makePretrainingRun(run)
      const controls = { save: vi.fn(), stop: vi.fn() }
      const page = await openLivePage([{ name: 'mine', folder: run }], { controls, interval: 20 })
      const says = (text: string) => tab.until(`document.body.innerText.includes(${JSON.stringify(text)})`)
      try {
        await tab.show({ ...screen, scheme: 'light' })
        await tab.go(page.address)
        await says('Connected. The page follows the run.')
        await says('200\nof 400')
        await tab.click('button[data-action=save]')
        await says('A checkpoint is saved after the step in progress.')
        expect(controls.save).toHaveBeenCalledTimes(1)

        appendFileSync(
          path.join(run, 'metrics.jsonl'),
          `${JSON.stringify({ step: 210, clips: 3360, loss: 0.1234, learningRate: 1e-3, clipsPerSecond: 50, dataWait: 0.1, memory: 1e8, seconds: 21 })}\n`,
        )
        await says('210\nof 400')

        // With the keyboard; whoever says no to the question stops nothing.
        for (const accept of [false, true]) {
          await tab.evaluate("document.querySelector('button[data-action=stop]').focus()")
          const asked = tab.next('Page.javascriptDialogOpening')
          const pressed = tab.press('Enter')
          await asked
          await tab.send('Page.handleJavaScriptDialog', { accept })
          await pressed
          if (accept) await says('The run saves a checkpoint and stops.')
          expect(controls.stop).toHaveBeenCalledTimes(accept ? 1 : 0)
        }
        await page.close()
        await says('The run has ended. The page no longer changes.')
        expect(await tab.evaluate("document.querySelectorAll('button:enabled').length")).toBe(0)
      } finally {
        await page.close()
      }
    })

    test('live pages of one run and of several can be read and used everywhere', async () => {
      const runs = ['first', 'a second run with a longer name'].map((name) => ({ name, folder: inFolder(name) }))
      for (const [i, { folder: run }] of runs.entries()) makePretrainingRun(run, { lines: 20 + i, name: `videos-${i}` })
      for (const some of [runs.slice(0, 1), runs]) {
        const controls = some.length === 1 ? { save: () => undefined, stop: () => undefined } : null
        const page = await openLivePage(some, { controls })
        try {
          for (const [name, view] of views) {
            await tab.show(view)
            await tab.go(page.address)
            await tab.until("document.querySelector('#configuration') !== null")
            const { texts, ...faults } = await lookAtPage(tab)
            expect(texts, name).toBeGreaterThan(30)
            expect(faults, name).toEqual({ faint: [], beyond: [], cut: [], covered: [] })
            if (view.media !== 'print') expect((await walkPage(tab)).missed, name).toEqual([])
          }
        } finally {
          await page.close()
        }
      }
    })
  },
)
