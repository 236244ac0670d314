/**
 * Programs whose activations take more than the 4 GiB that one ArrayBuffer can hold. Nothing writes to that memory but a
 * few bytes at its end, so the system never has to find it.
 */
import { totalmem } from 'node:os'
import { expect, test, vi } from 'vitest'
import { Graph } from '../../src/graph/graph.ts'
import { multiply } from '../../src/graph/operations/elementwise.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { sumLeading } from '../../src/graph/operations/reductions.ts'
import type { Program } from '../../src/graph/program.ts'
import { libraryOf, nativeMissing, nativeTimeouts, openNative, testedLevels } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const gibibyte = 2 ** 30
const missing = nativeMissing() ?? (totalmem() < 8 * gibibyte ? 'less than 8 GiB of memory' : null)
const title = (what: string): string => `${what}${missing === null ? '' : ` (${missing})`}`

/** y[i][j] = x[i] w[j] with 40,000 rows and columns: 6 GiB. */
function large(): Program {
  const graph = new Graph('large')
  const size = 40_000
  const outer = linear(graph.input('x', [size, 1]), graph.state('w', [size, 1]))
  return graph.build({ sum: sumLeading(multiply(outer, outer), 0) })
}

function small(): Program {
  const graph = new Graph('small')
  const product = multiply(graph.input('x', [3]), graph.state('v', [3]))
  return graph.build({ product })
}

test.skipIf(missing !== null)(title('a session holds more than 4 GiB of activations'), async () => {
  const session = await openNative([large(), small()], testedLevels[0])
  try {
    expect((await session.memory()).workspace).toBeGreaterThan(4 * gibibyte)
    await session.writeState(new Map([['v', Float32Array.of(1, 2, 3)]]))
    const { product } = await session.run('small', { x: Float32Array.of(4, 5, 6) })
    expect([...product]).toEqual([4, 10, 18])
  } finally {
    await session.close()
  }
})

test.skipIf(missing !== null)(title('memory beyond 4 GiB is read and written in parts'), async () => {
  const memory = (await libraryOf(testedLevels[0])).allocate(5 * gibibyte, 'a test')
  try {
    const offset = 5 * gibibyte - 64
    memory.part(offset, 64).data.set([1, 2, 3])
    expect([...memory.part(offset - 64, 128).data.subarray(64, 68)]).toEqual([1, 2, 3, 0])
    expect(() => memory.data).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }))
    expect(() => memory.part(offset, 65)).toThrow(expect.objectContaining({ code: 'PROGRAM_INVALID' }))
  } finally {
    memory.free()
  }
})
