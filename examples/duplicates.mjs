// @ts-check
/** Finds videos of a collection that are there twice: the same file, or nearly the same pictures. */
import { openEncoder } from 'videomae'
import { listVideos } from 'videomae/video'
import { centered, cosine } from './vectors.mjs'

const [encoder, collection, threshold = '0.98', cache = 'features-cache'] = process.argv.slice(2)
if (collection === undefined)
  throw new Error('Usage: node examples/duplicates.mjs ENCODER COLLECTION [THRESHOLD] [CACHE]')

const opened = await openEncoder(encoder)
// A grid says where in the picture things are, so two recordings of one scene differ more than two copies of a file.
const { store, videos, failures } = await opened.features(listVideos(collection), { cache, readout: 'grid:2' })
await opened.close()
for (const { id, reason } of failures) console.log(`left out ${id}: ${reason}`)
const rows = centered(await Promise.all(videos.map(({ digest }) => store.read(digest))))
const pairs = []
for (const [i, a] of videos.entries()) {
  for (const [j, b] of videos.entries()) {
    if (j <= i) continue
    const kind = a.digest === b.digest ? 'same file' : 'similar'
    const similarity = kind === 'same file' ? 1 : cosine(rows[i], rows[j])
    if (similarity >= Number(threshold)) pairs.push({ kind, similarity, names: [a.video.path, b.video.path] })
  }
}
pairs.sort((a, b) => b.similarity - a.similarity)
for (const { kind, similarity, names } of pairs) console.log(`${similarity.toFixed(4)}  ${kind}  ${names.join('  ')}`)
console.log(`${pairs.length} pairs among ${videos.length} videos`)
