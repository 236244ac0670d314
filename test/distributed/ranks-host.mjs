/** A rank of test/distributed/communicator.test.ts: every collective once, then the end that the argument names. */
import { openCommunicator } from '../../dist/distributed/open-communicator.js'
import { openReducer, valuesOf } from '../../dist/distributed/reducer.js'

const ranks = await openCommunicator()
const sum = Float32Array.of(ranks.rank + 1, 2, ranks.rank === 1 ? Number.NaN : 0)
await ranks.allReduce(sum)
const largest = Float64Array.of(ranks.rank, -ranks.rank)
await ranks.allReduce(largest, 'max')
const bytes = new Uint8Array(3).fill(ranks.rank + 5)
await ranks.broadcast(bytes, ranks.size - 1)
// Texts of several lengths, one of them empty of everything but its quotes.
const texts = await ranks.gather('x'.repeat(ranks.rank * 1000))
const long = new Float32Array(300_000).fill(ranks.rank + 1)
openReducer(ranks.attachment).sum([valuesOf(long)])
await ranks.barrier()
const { transport, library, rank, size } = ranks
const seen = { transport, library, rank, size, sum: [...sum].map(String), largest: [...largest], bytes: [...bytes] }
const lengths = texts.map(({ length }) => length)
process.stdout.write(`${JSON.stringify({ ...seen, lengths, long: [...new Set(long)] })}\n`)
if (process.argv[2] === 'abort') {
  if (rank === 1) await ranks.abort(5)
  else await ranks.barrier() // which rank 1 never comes to
}
await ranks.close()
