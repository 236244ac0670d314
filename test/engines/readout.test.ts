/** Oracle: plain float64 loops over the tokens of one clip, straight from the definition of each readout. */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { evaluate } from '../../src/engine/reference/evaluate.ts'
import { Graph } from '../../src/graph/graph.ts'
import { readoutWidth, readTokens } from '../../src/model/readout.ts'
import type { ReadoutKind } from '../../src/model/readout-name.ts'
import { describeEngines, engineInThread, withSession } from '../support/engines.ts'
import { relativeError } from '../support/operation-cases.ts'

const [batch, width] = [2, 5]

/** Cells that divide the tokens and cells that do not, square and wide clips, two time steps and one. */
const cases: readonly (readonly [string, { t: number; h: number; w: number }])[] = [
  ['mean', { t: 3, h: 2, w: 4 }],
  ['grid:2', { t: 1, h: 4, w: 6 }],
  ['grid', { t: 2, h: 4, w: 7 }],
  ['motion', { t: 4, h: 6, w: 6 }],
  ['motion:2', { t: 2, h: 3, w: 5 }],
  ['motion:1', { t: 3, h: 2, w: 1 }],
  ['motion:4', { t: 3, h: 4, w: 9 }],
  ['motion-rms:3', { t: 4, h: 5, w: 8 }],
  ['motion-rms:2', { t: 2, h: 2, w: 2 }],
  ['motion:3', { t: 3, h: 7, w: 3 }],
  ['mean+motion-rms:2+grid:3', { t: 3, h: 4, w: 3 }],
]

/** Values of one clip; z(t, y, x, d) is a token's value. */
function expectedReadout(
  name: string,
  { t, h, w }: { readonly t: number; readonly h: number; readonly w: number },
  z: (t: number, y: number, x: number, d: number) => number,
): number[] {
  const kind = name.split(':')[0] as ReadoutKind
  const cells = kind === 'mean' ? 1 : Number(name.split(':')[1] ?? 3)
  const steps = kind === 'mean' || kind === 'grid' ? t : t - 1
  const values: number[] = []
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      for (let d = 0; d < width; d++) {
        let [sum, count] = [0, 0]
        for (let y = 0; y < h; y++) {
          for (let x = 0; x < w; x++) {
            // A token is in every cell that its square touches: cell i covers i n / cells to (i + 1) n / cells.
            const inRow = y + 1 > (row * h) / cells && y < ((row + 1) * h) / cells
            const inColumn = x + 1 > (column * w) / cells && x < ((column + 1) * w) / cells
            if (!inRow || !inColumn) continue
            for (let s = 0; s < steps; s++) {
              const change = steps < t || kind === 'motion' ? z(s + 1, y, x, d) - z(s, y, x, d) : 0
              sum += kind === 'motion' ? Math.abs(change) : kind === 'motion-rms' ? change * change : z(s, y, x, d)
              count++
            }
          }
        }
        values.push(kind === 'motion-rms' ? Math.sqrt(sum / count) : sum / count)
      }
    }
  }
  return values
}

function example(name: string, grid: { readonly t: number; readonly h: number; readonly w: number }) {
  const count = grid.t * grid.h * grid.w
  const random = new RandomStream(7, name)
  const tokens = Float32Array.from({ length: batch * count * width }, () => random.normal())
  const graph = new Graph('readout')
  const program = graph.build({ y: readTokens(graph.input('tokens', [batch, count, width]), grid, name) })
  const expected = Array.from({ length: batch }, (_, b) =>
    name
      .split('+')
      .map((part) =>
        expectedReadout(part, grid, (t, y, x, d) => tokens[(((b * grid.t + t) * grid.h + y) * grid.w + x) * width + d]),
      ),
  ).flat(2)
  return { program, tokens, expected: Float64Array.from(expected) }
}

describe('readouts in float64', () => {
  test.each(cases)('%s of %o is what its definition says', (name, grid) => {
    const { program, tokens, expected } = example(name, grid)
    const values = evaluate(program, { tokens }, new Map()).get(program.outputs[0].tensor)!
    expect(values).toHaveLength(batch * readoutWidth(name, grid, width))
    expect(relativeError(values, expected, 1e-9)).toBeLessThan(1e-12)
  })
})

describeEngines('readouts', (_, engineName) => {
  test.each(cases)('%s of %o', async (name, grid) => {
    const { program, tokens, expected } = example(name, grid)
    const { y } = await withSession(engineInThread(engineName), [program], (session) =>
      session.run('readout', { tokens }),
    )
    expect(relativeError(y, expected, 1e-9)).toBeLessThan(1e-5)
  })
})
