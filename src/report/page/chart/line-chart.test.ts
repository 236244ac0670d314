import { describe, expect, test } from 'vitest'
import { renderHtml } from '../html.ts'
import { drawIntervals } from './interval-chart.ts'
import { spreadLabels } from './labels.ts'
import { drawLineChart, type LineChart } from './line-chart.ts'
import { scaleOf } from './scale.ts'

const chart = (more: Partial<LineChart> = {}): LineChart => ({
  x: { label: 'step', values: 'whole' },
  y: { label: 'share', values: 'shares', range: [0, 1] },
  curves: [
    {
      name: 'a',
      points: [
        [0, 1],
        [4, 0.5],
      ],
    },
    {
      name: 'b',
      shape: 'steps',
      points: [
        [0, 0.8],
        [2, 0.4],
        [4, 0],
      ],
    },
  ],
  ...more,
})
const textsOf = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)

describe('line charts', () => {
  test('have axes with names and round marks, and label every curve', () => {
    for (const layout of ['wide', 'narrow'] as const) {
      const texts = textsOf(renderHtml(drawLineChart(chart(), 'what it shows', layout)))
      for (const text of ['step', 'share', '0 %', '100 %', '0', '1', '4', 'a', 'b']) expect(texts).toContain(text)
      expect(texts).not.toContain('0.5')
    }
  })

  test('mark the end of a curve that ends before the others, and of no other', () => {
    const ends = (length: number) => {
      const curves = [length, 100].map((to, i) => ({ name: `${i}`, points: [[0, 1] as const, [to, 0.5] as const] }))
      return renderHtml(drawLineChart(chart({ curves }), 'text', 'wide')).match(/class="dot s\d"/g)
    }
    expect(ends(40)).toEqual(['class="dot s0"'])
    expect(ends(100)).toBeNull()
  })

  test('place values where the axes say', () => {
    const svg = renderHtml(
      drawLineChart(
        chart({
          curves: [
            {
              name: 'a',
              points: [
                [0, 0],
                [10, 1],
              ],
            },
          ],
        }),
        'text',
        'wide',
      ),
    )
    const [, x0, y0, x1, y1] = /class="curve s0" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/.exec(svg) ?? []
    const zero = /y="([\d.]+)" dy="4" text-anchor="end">0 %/.exec(svg)?.[1]
    const one = /y="([\d.]+)" dy="4" text-anchor="end">100 %/.exec(svg)?.[1]
    expect([y0, y1]).toEqual([zero, one])
    const marks = [...svg.matchAll(/<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">(0|10)</g)].map(([, x]) => x)
    expect([x0, x1]).toEqual(marks)
  })

  test('of many points keep the highest and the lowest', () => {
    const points = Array.from(
      { length: 50_000 },
      (_, i) => [i, i === 20_123 ? 0.99 : i === 30_001 ? 0.01 : 0.5] as const,
    )
    const drawn = (all: typeof points): number[] => {
      const svg = renderHtml(drawLineChart(chart({ curves: [{ name: 'a', points: all }] }), 'text', 'wide'))
      expect(svg.length).toBeLessThan(60_000)
      return [...(/class="curve s0" d="([^"]*)"/.exec(svg)?.[1] ?? '').matchAll(/ ([\d.]+)/g)].map(([, y]) => Number(y))
    }
    const [spiked, flat] = [drawn(points), drawn(points.map(([x]) => [x, 0.5] as const))]
    expect(Math.min(...spiked)).toBeLessThan(Math.min(...flat) - 50)
    expect(Math.max(...spiked)).toBeGreaterThan(Math.max(...flat) + 50)
  })

  test('draw one point, equal values, and nothing that is not a number', () => {
    for (const points of [
      [[3, 7]],
      [
        [0, 5],
        [9, 5],
      ],
      [
        [0, 0],
        [0, 0],
      ],
    ] as const) {
      const y = { label: 'loss', tight: true }
      const svg = renderHtml(drawLineChart(chart({ y, curves: [{ name: 'a', points }] }), 'text', 'wide'))
      expect(svg).not.toMatch(/NaN|Infinity/)
    }
    for (const curves of [[], [{ name: 'a', points: [] }], [{ name: 'a', points: [[0, Number.NaN]] as const }]])
      expect(() => drawLineChart(chart({ curves }), 'text', 'wide')).toThrow(/INVALID|Expected/)
    const seven = Array.from({ length: 7 }, () => ({ name: 'a', points: [[0, 0]] as const }))
    expect(() => drawLineChart(chart({ curves: seven }), 'text', 'wide')).toThrow(/at most 6/)
  })
})

test('labels keep their distance, their order and the bounds', () => {
  const heights = spreadLabels([50, 50, 52, 10, 99], 17, [0, 100])
  const sorted = [...heights].sort((a, b) => a - b)
  for (let i = 1; i < sorted.length; i++) expect(sorted[i] - sorted[i - 1]).toBeGreaterThanOrEqual(17)
  expect(heights[3]).toBe(10)
  expect(Math.max(...heights)).toBeLessThanOrEqual(100)
  expect(heights[3]).toBeLessThan(heights[0])
  expect(heights[0]).toBeLessThan(heights[1])
})

test('scales begin at zero unless they are to be tight', () => {
  expect(scaleOf([3, 9], { label: '' }, 0, 100).pixelsOf(0)).toBe(0)
  expect(scaleOf([3, 9], { label: '', tight: true }, 0, 100).low).toBeGreaterThan(0)
  expect(scaleOf([0.00004], { label: '' }, 0, 1).ticks.map(({ text }) => text)).toContain('1e-5')
})

test('intervals are between the marks of their axis', () => {
  const row = { name: 'top-1', value: 0.5, low: 0.25, high: 0.75, text: '50 %' }
  const svg = renderHtml(drawIntervals([row], [{ name: 'chance', value: 0.25 }], 'text', 'wide'))
  const mark = (share: number) => new RegExp(`<text x="([\\d.]+)"[^>]*>${share} %<`).exec(svg)?.[1]
  expect(svg).toContain(`d="M${mark(25)} `)
  expect(svg).toContain(`H${mark(75)}"`)
  expect(svg).toContain(`cx="${mark(50)}"`)
})
