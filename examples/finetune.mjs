// @ts-check
/** Trains a classifier from a folder of labeled videos (one folder for each class) and predicts one of them. */
import { finetune, finetuneConfiguration, predict } from 'videomae'
import { listVideos } from 'videomae/video'

const [data, encoder, out] = process.argv.slice(2)
if (out === undefined) throw new Error('Usage: node examples/finetune.mjs DATA ENCODER RUN')

// `ridge` trains a head on frozen features in seconds; `full` trains all weights.
const configuration = finetuneConfiguration({
  data: { path: data, validation: 0.2, test: 0.2 },
  model: { from: encoder },
  mode: 'ridge',
})
const { classifier, classes, videos, test } = await finetune(configuration, {
  out,
  onNote: (note) => console.log(note),
})
console.log(`${classes.length} classes: ${classes.join(', ')}`)
console.log(`${videos.train} training, ${videos.validation} validation and ${videos.test} test videos`)
if (test !== null) {
  const { value, low, high } = test.scores.top1
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`
  console.log(`test accuracy ${percent(value)}, 95 % interval ${percent(low)} to ${percent(high)}`)
  for (const warning of test.warnings) console.log(`warning: ${warning}`)
}
const [first] = listVideos(data)
const [prediction] = await predict([first.path], { from: classifier, top: 3 })
if (!prediction.ok) throw new Error(prediction.reason)
for (const { label, probability } of prediction.classes)
  console.log(`${first.path}: ${label} ${probability.toFixed(3)}`)
