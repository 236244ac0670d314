// @ts-check
/** Embeds a collection of videos and lists those that are nearest to a query clip. */
import { openEncoder } from 'videomae'
import { listVideos } from 'videomae/video'
import { centered, cosine } from './vectors.mjs'

const [encoder, collection, query, cache = 'features-cache'] = process.argv.slice(2)
if (query === undefined) throw new Error('Usage: node examples/search.mjs ENCODER COLLECTION QUERY [CACHE]')

const opened = await openEncoder(encoder)
// Features are kept by the content of the files, so a second search reads no video again.
const entries = [...listVideos(collection), { path: query, id: query }]
const { store, videos, failures } = await opened.features(entries, { cache })
await opened.close()
for (const { id, reason } of failures) console.log(`left out ${id}: ${reason}`)
const asked = videos.find(({ video }) => video.id === query)
if (asked === undefined) throw new Error(`${query} cannot be read.`)
const others = videos.filter((one) => one !== asked)
const rows = centered(await Promise.all([asked, ...others].map(({ digest }) => store.read(digest))))
const found = others.map(({ video }, i) => ({ video, similarity: cosine(rows[0], rows[i + 1]) }))
found.sort((a, b) => b.similarity - a.similarity)
for (const { video, similarity } of found.slice(0, 10)) console.log(`${similarity.toFixed(3)}  ${video.path}`)
