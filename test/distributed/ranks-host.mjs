/** A rank of test/distributed/communicator.test.ts: every collective once, then the end that the argument names. */
import koffi from 'koffi'
import { openCommunicator } from '../../dist/distributed/open-communicator.js'
import { openReducer, valuesOf } from '../../dist/distributed/reducer.js'

const libc = koffi.load(null)
const sigaction = libc.func('int sigaction(int, void *, void *)')

/** First instructions of functions of memory, and the handler of crashes: libraries of networks replace them. */
function untouched() {
  const functions = ['munmap', 'brk', 'sbrk', 'madvise'].map((name) =>
    koffi.decode(libc.symbol(name, 'uint8'), koffi.array('uint8', 12)).join(),
  )
  const action = Buffer.alloc(152)
  sigaction(11, null, action)
  return [...functions, String(action.readBigUInt64LE())].join(' ')
}

const before = untouched()
const ranks = await openCommunicator()
const left = untouched() === before
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
const seen = {
  transport,
  library,
  rank,
  size,
  left,
  sum: [...sum].map(String),
  largest: [...largest],
  bytes: [...bytes],
}
const lengths = texts.map(({ length }) => length)
process.stdout.write(`${JSON.stringify({ ...seen, lengths, long: [...new Set(long)] })}\n`)
if (process.argv[2] === 'abort') {
  if (rank === 1) await ranks.abort(5)
  else await ranks.barrier() // which rank 1 never comes to
}
await ranks.close()
