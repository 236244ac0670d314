/** Ranks that are no processes: what they send is handed over in memory. Nothing is known of a launcher or a library. */
import type { Communicator, Json, ReduceOperation } from '../../src/distributed/communicator.ts'
import { Ranks } from '../../src/distributed/ranks.ts'

/** Where all ranks meet: each call ends when every rank has made it. */
class Meeting {
  private readonly size: number
  private values: unknown[] = []
  private waiting: ((all: readonly unknown[]) => void)[] = []

  constructor(size: number) {
    this.size = size
  }

  come(rank: number, value: unknown): Promise<readonly unknown[]> {
    this.values[rank] = value
    return new Promise((resolve) => {
      this.waiting.push(resolve)
      if (this.waiting.length < this.size) return
      const [all, waiting] = [this.values, this.waiting]
      this.values = []
      this.waiting = []
      for (const tell of waiting) tell(all)
    })
  }
}

const folds: Readonly<Record<ReduceOperation, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: Math.max,
  min: Math.min,
}

function communicator(rank: number, size: number, meeting: Meeting): Communicator {
  return {
    ...{ transport: 'self', library: 'memory', attachment: { transport: 'self' }, rank, size },
    async allReduce(values, operation = 'sum') {
      const all = (await meeting.come(rank, values.slice())) as (typeof values)[]
      values.set(all.slice(1).reduce((sum, other) => sum.map((each, i) => folds[operation](each, other[i])), all[0]))
    },
    async broadcast(bytes, root = 0) {
      bytes.set((await meeting.come(rank, bytes.slice()))[root] as Uint8Array)
    },
    async gather(value) {
      return JSON.parse(JSON.stringify(await meeting.come(rank, value))) as Json[]
    },
    async barrier() {
      await meeting.come(rank, null)
    },
    nameOthers() {},
    abort: (exitCode) => Promise.reject(new Error(`abort ${exitCode}`)),
    async close() {},
  }
}

/** Does work on all ranks at once. @returns what came of it, by rank */
export async function onLocalRanks<T>(
  size: number,
  work: (ranks: Ranks) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const meeting = new Meeting(size)
  const all = Array.from({ length: size }, (_, rank) => communicator(rank, size, meeting))
  return Promise.allSettled(all.map(async (each) => work(await Ranks.meet(each))))
}

/** The values by rank, where all have one. */
export async function valuesOnLocalRanks<T>(size: number, work: (ranks: Ranks) => Promise<T>): Promise<T[]> {
  return (await onLocalRanks(size, work)).map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
