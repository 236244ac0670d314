import { describe, expect, test } from 'vitest'
import { digest, html, isolated, renderHtml, shortened, shortenedApart, visible } from './html.ts'

describe('html', () => {
  test('escapes every value, in content and in attributes', () => {
    const value = `<a href="x" title='y'>&amp;</a>`
    const escaped = '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;'
    expect(renderHtml(html`<p title="${value}">${value}</p>`)).toBe(`<p title="${escaped}">${escaped}</p>`)
    expect(renderHtml(html`${[value, [html`<b>${value}</b>`]]}`)).toBe(`${escaped}<b>${escaped}</b>`)
  })

  test('keeps templates as they are, prints numbers, and nothing for what is absent', () => {
    expect(renderHtml(html`<p>${html`<b>1</b>`}${2}${null}${undefined}${false}${''}</p>`)).toBe('<p><b>1</b>2</p>')
  })

  test('does not take an object that looks like markup for markup', () => {
    const forged = JSON.parse('{"markup": "<b>", "text": "<b>"}')
    expect(() => renderHtml(html`${forged}`)).toThrow()
  })
})

describe('text', () => {
  test('shows what cannot be seen', () => {
    expect(visible('a\u202eb\nc\0d\ud800e\ufefff')).toBe('a\\u202eb\\nc\\u0000d\\ud800e\\ufefff')
    expect(visible('naïve 日本 😀 ع')).toBe('naïve 日本 😀 ع')
  })

  test('is cut between characters', () => {
    expect(shortened('😀😀😀😀', 3)).toBe('😀😀…')
    expect(shortened('abc', 3)).toBe('abc')
  })

  test('that has to be cut stays different', () => {
    expect(shortenedApart(['abcdefghijkl', 'x'], 8)).toEqual(['abcdefg…', 'x'])
    expect(shortenedApart(['runs/first-1', 'runs/first-2', 'a'], 8)).toEqual(['…1', '…2', 'a'])
    const sweep = ['ratio-0.75-rate-1e-4-seed-1', 'ratio-0.75-rate-1e-4-seed-2', 'ratio-0.9-rate-1e-4-seed-1']
    expect(shortenedApart(sweep, 16)).toEqual(['…0.75-…-4-seed-1', '…0.75-…-4-seed-2', '…0.9-r…-4-seed-1'])
    expect(shortenedApart(['abcdefgh1ijklmnop', 'abcdefgh2ijklmnop', 'xy'], 8)).toEqual(['…ab…m… 1', '…ab…m… 2', 'xy'])
    expect(shortenedApart(['a\u202e', 'a\\u202e'], 8)).toEqual(['a\\u20… 1', 'a\\u20… 2'])
    expect(shortenedApart(['same', 'same'], 8)).toEqual(['same', 'same'])
  })

  test('from right to left does not reorder what stands next to it', () => {
    expect(renderHtml(isolated('חתול'))).toBe('<bdi>חתול</bdi>')
  })

  test('of a digest stays the same when it is copied', () => {
    const text = '0123456789abcdef'.repeat(4)
    expect(renderHtml(digest(text)).replaceAll(/<[^>]+>/g, '')).toBe(text)
  })
})
