/**
 * Renders the tables of dev/results.md from the files in dev/results/, and the pictures of the documents from dev/results/figures/.
 *
 *   npm run results               writes the page and the pictures
 *   npm run results -- --check    fails where one is not what would be written
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { renderFigure } from './support/figures.ts'
import { renderResults } from './support/results-page.ts'

const root = path.join(import.meta.dirname, '..')
const results = path.join(root, 'dev/results')
const check = process.argv.includes('--check')

/** Writes what differs, or says so. */
function render(name: string, text: string): void {
  const file = path.join(root, name)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  if (check) {
    console.error(`Expected ${name} to be what dev/results/ says. Run \`npm run results\`.`)
    process.exitCode = 1
  } else {
    writeFileSync(file, text)
    console.log(`Wrote ${name}.`)
  }
}

const page = readFileSync(path.join(root, 'dev/results.md'), 'utf8')
render(
  'dev/results.md',
  renderResults(page, (name) => readFileSync(path.join(results, name), 'utf8')),
)
for (const name of readdirSync(path.join(results, 'figures'))) {
  const { image, svg } = renderFigure(name, readFileSync(path.join(results, 'figures', name), 'utf8'))
  render(image, svg)
}
