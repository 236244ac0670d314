// @ts-check
// Checks an implementation of certificates against vectors-1.jsonl (form: README.md). No dependencies.
//   node check.mjs SUBJECT.mjs [--published]    SUBJECT.mjs exports certify(vector) -> { prediction, radius, ... }, or a promise of it
//   node check.mjs ANSWERS.json [--published]   { id: { prediction, radius, ... } }, from a program in any language
// Exits with 1 if a prediction is wrong or an attack can do more than an answer says, with --published also if an answer is weaker than
// the bound of the published rule.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkConformance } from './compare.mjs'

/** @param {string} file */
async function subjectOf(file) {
  if (!file.endsWith('.json')) return (await import(pathToFileURL(path.resolve(file)).href)).certify
  const answers = JSON.parse(readFileSync(file, 'utf8'))
  return (/** @type {any} */ { id }) => answers[id]
}

const [file, published] = process.argv.slice(2)
if (file === undefined || (published !== undefined && published !== '--published'))
  throw new Error('usage: node check.mjs SUBJECT.mjs|ANSWERS.json [--published]')
const lines = readFileSync(path.join(import.meta.dirname, 'vectors-1.jsonl'), 'utf8')
  .trim()
  .split('\n')
const [{ schema }, ...vectors] = lines.map((line) => JSON.parse(line))
if (schema !== 'videomae.conformance/1') throw new Error(`Expected schema videomae.conformance/1, but it is ${schema}.`)
const { wrong, unsound, loose, tighter, answered, unanswered } = await checkConformance(vectors, await subjectOf(file))
for (const line of [
  ...wrong,
  ...unsound.map((text) => `UNSOUND ${text}`),
  ...loose.map((text) => `loose ${text}`),
].slice(0, 40))
  console.log(line)
console.log(
  `${answered} answered, ${unanswered} not: ${wrong.length} wrong, ${unsound.length} unsound, ${loose.length} below and ${tighter} above the published bound`,
)
const failed = answered === 0 || wrong.length + unsound.length > 0 || (published !== undefined && loose.length > 0)
process.exitCode = failed ? 1 : 0
