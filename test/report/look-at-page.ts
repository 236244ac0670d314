/** What a reader would find wrong with a page: faint text, text that is cut off or covered, what the keyboard does not reach. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Tab } from './browser.ts'

const inPage = readFileSync(path.join(import.meta.dirname, 'in-page.js'), 'utf8')

export interface Seen {
  /** Texts that were looked at. */
  readonly texts: number
  /** Those with a contrast below 4.5 to 1. */
  readonly faint: readonly string[]
  /** What is outside of the page, or outside of its drawing. */
  readonly beyond: readonly string[]
  /** Texts that their element cuts off. */
  readonly cut: readonly string[]
  /** Texts of a drawing that cover each other. */
  readonly covered: readonly string[]
}

/** What can be seen of the page as it is shown now. */
export async function lookAtPage(tab: Tab): Promise<Seen> {
  return tab.evaluate<Seen>(`{${inPage}}; lookAtPage()`)
}

/** Goes through the page with the Tab key. `missed`: controls that are not reached, or reached without a visible mark. */
export async function walkPage(tab: Tab): Promise<{ readonly controls: number; readonly missed: readonly string[] }> {
  const controls = await tab.evaluate<number>(`{${inPage}}; markControls()`)
  for (let i = 0; i < controls; i++) {
    await tab.press('Tab')
    await tab.evaluate('noteFocus()')
  }
  return { controls, missed: await tab.evaluate<string[]>('missedControls()') }
}
