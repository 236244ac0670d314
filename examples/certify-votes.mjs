// @ts-check
/**
 * Certifies the votes of a model from another program, such as an ensemble in Python: a CSV file with a line for each input and the
 * columns `label,learner0,learner1,...`. Each learner must be trained on a part of the data of its own.
 */
import { certifyImported, importBallots } from 'videomae/certify'

const [file, names] = process.argv.slice(2)
if (names === undefined) throw new Error('Usage: node examples/certify-votes.mjs VOTES.csv CLASS,CLASS,...')

const classNames = names.split(',')
const imported = await importBallots(file, { kind: 'votes', classes: classNames.length, classNames })
const { inputs, learners } = imported.ballots
console.log(`${inputs} inputs, votes of ${learners} learners`)
for (const note of imported.reading?.notes ?? []) console.log(`note: ${note}`)
const { inputs: certified = [], conditions } = certifyImported(imported, { rule: 'dpa' })
for (const [i, { prediction, radius }] of certified.entries())
  console.log(`input ${i}: ${classNames[prediction]}, unchanged by ${radius} poisoned training samples`)
const labels = imported.labels ?? []
const known = labels.filter((label) => label !== null).length
for (const r of known === 0 ? [] : [0, 1, 2, 5]) {
  const right = certified.filter(({ prediction, radius }, i) => prediction === labels[i] && radius >= r).length
  console.log(`certified accuracy at ${r}: ${(right / known).toFixed(3)}`)
}
// A radius means nothing without these.
for (const condition of conditions) console.log(`if ${condition}`)
