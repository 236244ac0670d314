/**
 * Renders the tables of dev/results.md from the files in dev/results/.
 *
 *   npm run results               writes the page
 *   npm run results -- --check    fails where the page is not what would be written
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { renderResults } from './support/results-page.ts'

const folder = path.join(import.meta.dirname, '../dev')
const file = path.join(folder, 'results.md')
const page = readFileSync(file, 'utf8')
const rendered = renderResults(page, (name) => readFileSync(path.join(folder, 'results', name), 'utf8'))
if (rendered === page) {
  console.log('dev/results.md is what dev/results/ says.')
} else if (process.argv.includes('--check')) {
  console.error('Expected dev/results.md to be what dev/results/ says. Run `npm run results`.')
  process.exitCode = 1
} else {
  writeFileSync(file, rendered)
  console.log('Wrote dev/results.md.')
}
