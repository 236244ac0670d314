/**
 * Writes the API reference to docs/api/, from the docstrings: `npm run docs`. Fails where a public name has no sentence.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { entries, pageOf, silent, symbolsOf } from './support/api-reference.ts'

const root = path.join(import.meta.dirname, '..')
const out = path.join(root, 'docs/api')
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const entry of entries) {
  const symbols = symbolsOf(path.join(root, 'dist'), entry)
  for (const name of silent(symbols)) {
    console.error(`Expected a docstring with a sentence for ${name}.`)
    process.exitCode = 1
  }
  writeFileSync(path.join(out, `${entry}.md`), pageOf(entry, symbols))
  console.log(`docs/api/${entry}.md: ${symbols.length} names`)
}
