/** What a WebGPU session does next to computing. Skipped where there is no adapter; a software adapter is enough. */
import { describe, expect, test } from 'vitest'
import { inThreadWebgpuEngine } from '../../src/engine/webgpu/index.ts'
import { Graph } from '../../src/graph/graph.ts'
import { scale } from '../../src/graph/operations/elementwise.ts'
import { broadcastLeading, sumLeading } from '../../src/graph/operations/reductions.ts'
import { withSession } from '../support/engines.ts'

const { available, detail } = await inThreadWebgpuEngine.probe()

/** [count, 1] in between: more than 4 GiB, which no adapter binds as one buffer. */
function large() {
  const graph = new Graph('large')
  const many = broadcastLeading(graph.input('x', [1]), [1_100_000_000])
  return graph.build({ y: sumLeading(many, 1) })
}

describe.skipIf(!available)(`WebGPU (${detail})`, () => {
  test('a buffer that the adapter refuses is an error, and the session lives on', async () => {
    const graph = new Graph('small')
    const small = graph.build({ y: scale(graph.state('w', [2]), 2) })
    await withSession(inThreadWebgpuEngine, [large(), small], async (session) => {
      await session.writeState(new Map([['w', Float32Array.of(1, 2)]]))
      await expect(session.run('large', { x: Float32Array.of(1) })).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringContaining('float32[1100000000,1] of broadcastLeading, 4400000000 bytes'),
      })
      expect([...(await session.run('small', {})).y]).toEqual([2, 4])
    })
  })
})
