// @ts-check
/** Pretrains an encoder on a folder of videos and draws what it has learned. */
import { loadRunConfiguration, parseOverride, pretrain, recipeFile, reconstruct } from 'videomae'
import { listVideos } from 'videomae/video'

const [videos, out, ...settings] = process.argv.slice(2)
if (out === undefined) throw new Error('Usage: node examples/pretrain.mjs VIDEOS RUN [key=value ...]')

const configuration = await loadRunConfiguration({
  file: recipeFile('laptop-pretrain'),
  overrides: [`data.path=${videos}`, ...settings].map((setting) => parseOverride(setting)),
})
const run = await pretrain(configuration, {
  out,
  resume: true, // An interrupted run continues from its newest checkpoint.
  onNote: (note) => console.log(note),
  onProgress({ step, steps, loss }) {
    if (step % 25 === 0 || step === steps) console.log(`step ${step} of ${steps}: loss ${loss.toFixed(4)}`)
  },
})
const [first] = listVideos(videos)
const drawn = await reconstruct(run.checkpoint, first.path, { out: `${out}/example` })
console.log(`encoder ${run.checkpoint}\npictures ${drawn.picture}, ${drawn.animation}`)
