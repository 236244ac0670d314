import { expect, test } from 'vitest'
import { renderChart } from './chart.ts'

const options = {
  title: 'A < B & "C"',
  xLabel: 'x',
  yLabel: 'y',
  curves: [
    {
      name: 'steps',
      shape: 'steps' as const,
      points: [
        [0, 1],
        [5, 0.5],
        [10, 0],
      ] as const,
    },
    {
      name: 'band',
      points: [
        [1, 0.2],
        [10, 0.8],
      ] as const,
      band: [
        [0.1, 0.3],
        [0.7, 0.9],
      ] as const,
      stroke: 'dashed' as const,
    },
    { name: 'dots', shape: 'points' as const, points: [[2, 0.4]] as const },
  ],
}

test('draws every curve inside the frame, named in the legend, as well-formed text', () => {
  const svg = renderChart(options)
  expect(svg).toMatch(/^<svg xmlns/)
  for (const name of ['steps', 'band', 'dots']) expect(svg).toContain(`>${name}</text>`)
  expect(svg).toContain('A &lt; B &amp; &quot;C&quot;')
  expect(svg.match(/<(svg|title|text)\b/g)?.length).toBe(svg.match(/<\/(svg|title|text)>/g)?.length)
  for (const [, x, y] of svg.matchAll(/[ML](\d+(?:\.\d+)?) (\d+(?:\.\d+)?)/g)) {
    expect(Number(x)).toBeLessThanOrEqual(760)
    expect(Number(y)).toBeLessThanOrEqual(440)
  }
  expect(svg).not.toMatch(/NaN|Infinity|undefined/)
})

test('places points linearly and logarithmically', () => {
  const centersOf = (xScale: 'linear' | 'log') => {
    const svg = renderChart({
      ...options,
      xScale,
      curves: [
        {
          name: 'c',
          shape: 'points',
          points: [
            [1, 0],
            [10, 1],
            [100, 2],
          ],
        },
      ],
    })
    return [...svg.matchAll(/<circle cx="([\d.]+)"[^>]*r="3.5"/g)].slice(0, 3).map((match) => Number(match[1]))
  }
  const [a, b, c] = centersOf('log')
  expect(b - a).toBeCloseTo(c - b, 1)
  const [d, e, f] = centersOf('linear')
  expect((e - d) * 10).toBeCloseTo(f - e, 0)
})

test('draws long curves in as many steps as can be told apart, each within a pixel', () => {
  const points = Array.from({ length: 5000 }, (_, i) => [i, Math.max(0, 1 - (i / 4000) ** 2)] as const)
  const svg = renderChart({ ...options, yRange: [0, 1], curves: [{ name: 'long', shape: 'steps', points }] })
  const [, path] = svg.match(/<path d="(M[^"]*)" fill="none" stroke="#0072b2"/) ?? []
  const drawn = [...path.matchAll(/[MH]([\d.]+)[ V]([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)])
  expect(drawn.length).toBeLessThan(900)
  // Frame: 64 to 760 less the legend, 388 down to 40; each point is as near to what is drawn as a pixel.
  const right = drawn[drawn.length - 1][0]
  let k = 0
  for (const [i, value] of points) {
    const [x, y] = [64 + ((right - 64) * i) / 4999, 388 - 348 * value]
    while (k + 1 < drawn.length && drawn[k + 1][0] <= x + 0.01) k++
    expect(Math.abs(drawn[k][1] - y)).toBeLessThan(1.02)
    expect(x - drawn[k][0]).toBeLessThan(1.02)
  }
})

test('refuses nothing to draw and values that are not finite', () => {
  expect(() => renderChart({ ...options, curves: [] })).toThrow(/at least one point/)
  expect(() => renderChart({ ...options, curves: [{ name: 'c', points: [[0, Number.NaN]] }] })).toThrow(/finite/)
  expect(() => renderChart({ ...options, xScale: 'log' })).toThrow(/positive/)
})
