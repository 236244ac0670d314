import { describe, expect, test } from 'vitest'
import { renderHtml } from './html.ts'
import { stylesheet } from './stylesheet.ts'

type Color = readonly [number, number, number]

const text = renderHtml(stylesheet)

/** Variables of a color scheme: those of `:root` in a part of the stylesheet. */
function schemeOf(part: string): Readonly<Record<string, Color>> {
  const variables = [...part.matchAll(/--([\w-]+): (#[0-9a-f]{6}|\d+ \d+ \d+)/g)]
  return Object.fromEntries(
    variables.map(([, name, value]) => {
      const numbers = value.startsWith('#')
        ? (value.match(/[0-9a-f]{2}/g) ?? []).map((hex) => Number.parseInt(hex, 16))
        : value.split(' ').map(Number)
      return [name, numbers as unknown as Color]
    }),
  )
}

const [light, dark, ...rest] = text
  .split(':root')
  .slice(1)
  .map((part) => schemeOf(part.slice(0, part.indexOf('}'))))
const print = rest[rest.length - 1]

/** WCAG 2.1, relative luminance. */
function luminance(color: Color): number {
  const [r, g, b] = color.map((value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  )
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: Color, b: Color): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high + 0.05) / (low + 0.05)
}

const over = (top: Color, under: Color, alpha: number): Color =>
  top.map((value, i) => alpha * value + (1 - alpha) * under[i]) as unknown as Color

describe.each([
  ['light', light],
  ['dark', dark],
  ['print', { ...light, ...print }],
])('colors: %s', (_, scheme) => {
  test('text can be read on what it stands on', () => {
    const pairs = [
      ...['ink', 'ink-2', 'link'].map((name) => [name, 'paper']),
      ...['ink', 'ink-2'].map((name) => [name, 'soft']),
      ...['ink', 'warn'].map((name) => [name, 'warn-soft']),
    ]
    for (const [ink, ground] of pairs)
      expect(contrast(scheme[ink], scheme[ground]), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5)
  })

  test('numbers can be read on every shade of their cell', () => {
    const [, strongest] = /rgb\(var\(--heat\) \/ calc\(([\d.]+) \* var\(--shade\)\)\)/.exec(text) ?? []
    for (let shade = 0; shade <= 1; shade += 0.05)
      expect(
        contrast(scheme.ink, over(scheme.heat, scheme.paper, Number(strongest) * shade)),
        String(shade),
      ).toBeGreaterThanOrEqual(4.5)
  })

  test('curves and axes can be seen', () => {
    for (const name of ['s0', 's1', 's2', 's3', 's4', 's5', 'ink-2'])
      expect(contrast(scheme[name], scheme.paper), name).toBeGreaterThanOrEqual(3)
  })
})

test('nothing is loaded', () => {
  expect(text).not.toMatch(/url\(|@import|https?:|@font-face/)
})
