/** The live page of a run: who gets it, what is in it, and that it follows the run. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { liveSections } from '../../src/report/live/live-run.ts'
import { type LivePage, openLivePage } from '../../src/report/live/server.ts'
import { renderHtml } from '../../src/report/page/html.ts'
import { renderBlocks } from '../../src/report/page/render.ts'
import { runHere } from '../support/run-here.ts'
import { hostileNames } from './check-page.ts'

let folder: string
let page: LivePage
const controls = { save: vi.fn(), stop: vi.fn() }
const line = (step: number, loss: number): string =>
  `${JSON.stringify({ step, clips: 16 * step, loss, meanLoss: 0.99, learningRate: 1e-3, clipsPerSecond: 50, dataWait: 0.1, memory: 1e8, seconds: step })}\n`

function makeRun(name: string, steps: number, seed = 0): string {
  const run = path.join(folder, name)
  mkdirSync(run)
  const configuration = { seed, data: { path: 'v' }, derived: { steps: 100 }, engineUsed: 'native' }
  writeFileSync(path.join(run, 'config.json'), JSON.stringify(configuration))
  const lines = Array.from({ length: steps / 10 }, (_, i) => line(10 * (i + 1), 1 - i / 100))
  writeFileSync(path.join(run, 'metrics.jsonl'), lines.join(''))
  return run
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-live-'))
  page = await openLivePage([{ name: 'mine', folder: makeRun('mine', 20) }], { controls, interval: 10 })
  vi.clearAllMocks()
})
afterEach(async () => {
  await page.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A request with any headers, which `fetch` does not let one set. */
function ask(location: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { hostname, port, pathname } = new URL(location, page.address)
  // Not resolved by the client: `..` must reach the server.
  const target = location.startsWith('/') ? location : pathname
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path: target, method, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    request.on('error', reject).end()
  })
}

const origin = (): string => new URL(page.address).origin
const secret = (): string => new URL(page.address).pathname

describe('the server', () => {
  test('serves the document with a policy that lets its own script run alone', async () => {
    const { status, headers, body } = await ask('')
    expect(status).toBe(200)
    const nonce = /script-src 'nonce-([^']+)'/.exec(String(headers['content-security-policy']))?.[1]
    expect(body.match(/<script[^>]*>/g)).toEqual([`<script nonce="${nonce}">`])
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' })
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(page.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/)
  })

  test('serves nothing without the secret, and no file of the run or next to it', async () => {
    const paths = ['/', '/events', `/${'0'.repeat(32)}/`, `${secret()}config.json`, `${secret()}../mine/config.json`]
    for (const location of [
      ...paths,
      `${secret()}%2e%2e/config.json`,
      `${secret()}events/x`,
      secret().slice(0, -1).slice(0, -1),
    ])
      expect((await ask(location)).status, location).toBe(404)
  })

  test.each([
    ['another name of the host', () => ({ host: 'evil.example' })],
    ['the name without its port', () => ({ host: '127.0.0.1' })],
    ['another origin', () => ({ origin: 'https://evil.example' })],
    ['the origin of a sandboxed page', () => ({ origin: 'null' })],
    ['another port of this machine', () => ({ origin: 'http://127.0.0.1:1' })],
    ['another site', () => ({ 'sec-fetch-site': 'cross-site' })],
  ])('refuses %s', async (_what, headers) => {
    expect((await ask('', headers())).status).toBe(403)
    expect((await ask('stop', { origin: origin(), ...headers() }, 'POST')).status).toBe(403)
    expect(controls.stop).not.toHaveBeenCalled()
  })

  test('saves and stops for the page itself alone', async () => {
    for (const action of ['save', 'stop'] as const) {
      expect((await ask(action)).status, 'a link').toBe(404)
      expect((await ask(action, {}, 'POST')).status, 'a program').toBe(403)
      expect(controls[action]).not.toHaveBeenCalled()
      expect((await ask(action, { origin: origin() }, 'POST')).status).toBe(200)
      expect(controls[action]).toHaveBeenCalledTimes(1)
    }
  })

  test('lets nobody do anything to runs that it only watches', async () => {
    await page.close()
    page = await openLivePage([{ name: 'mine', folder: path.join(folder, 'mine') }])
    expect((await ask('')).body).not.toContain('<button')
    for (const action of ['save', 'stop']) expect((await ask(action, { origin: origin() }, 'POST')).status).toBe(404)
  })

  test('says that a port is taken', async () => {
    const port = Number(new URL(page.address).port)
    await expect(openLivePage([], { port })).rejects.toMatchObject({ code: 'PORT_TAKEN', exit: 'environment' })
  })
})

/** Events of the page until one of them fits. */
async function eventsUntil(fits: (event: string, data: string) => boolean, then?: () => void): Promise<string[]> {
  const stop = new AbortController()
  const answer = await fetch(new URL('events', page.address), { signal: stop.signal })
  const seen: string[] = []
  let text = ''
  try {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += piece
      const messages = text.split('\n\n')
      text = messages.pop() ?? ''
      for (const message of messages) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? []
        if (event === undefined) continue
        seen.push(event)
        if (event === 'order') then?.()
        if (fits(event, data)) return seen
      }
    }
    return seen
  } finally {
    stop.abort()
  }
}

describe('the page', () => {
  test('gets every section, and then those that change', async () => {
    const metrics = path.join(folder, 'mine', 'metrics.jsonl')
    const seen = await eventsUntil(
      (event, data) => event === 'section' && data.includes('0.1234'),
      () => appendFileSync(metrics, line(30, 0.1234)),
    )
    expect(seen.indexOf('order')).toBeGreaterThan(3)
    expect(seen.length - seen.indexOf('order')).toBeLessThan(6)
  })

  test('is told of the end', async () => {
    const closing: Promise<void>[] = []
    const seen = await eventsUntil(
      (event) => event === 'end',
      () => closing.push(page.close()),
    )
    expect(seen.at(-1)).toBe('end')
    await Promise.all(closing)
  })
})

describe('sections', () => {
  const textOf = async (names: readonly string[]): Promise<string> => {
    const runs = names.map((name) => ({ name, folder: path.join(folder, name) }))
    const sections = await liveSections(runs)
    return sections.map(({ heading, blocks }) => `## ${heading} ${renderHtml(renderBlocks(blocks))}`).join('\n')
  }

  test('of a run say how far it is', async () => {
    const text = await textOf(['mine'])
    expect(text).toContain('<dt>step</dt><dd>20<small>of 100</small></dd>')
    expect(text).toContain('1 min 20 s')
    expect(text.match(/## [A-Z][a-z]+/g)).toEqual([
      '## State',
      '## Loss',
      '## Speed',
      '## Learning',
      '## Files',
      '## Configuration',
    ])
  })

  test('of a run in which a picture is a link that leads nowhere are there', async () => {
    const run = makeRun('linked', 20)
    for (const name of ['gone.webp', 'gone.png']) symlinkSync(path.join(folder, 'nowhere'), path.join(run, name))
    const sections = await liveSections([{ name: 'linked', folder: run }])
    expect(sections.map(({ id }) => id)).toContain('loss')
  })

  test('of several runs compare them, and name what differs', async () => {
    makeRun('other', 50, 7)
    const text = await textOf(['mine', 'other'])
    expect(text).toMatch(/loss over the steps[^<]*mine: 0\.99 at step 20; other: 0\.96 at step 50/)
    expect(text).toMatch(/seed<.*?<bdi>0<.*?<bdi>7</)
    expect(text).not.toMatch(/<bdi>native</)
  })

  test('of a run that has just begun are there, too', async () => {
    mkdirSync(path.join(folder, 'empty'))
    expect(await textOf(['empty', 'missing'])).toContain('has not finished a log interval yet')
  })

  test.each(hostileNames)('show the name %j as text', async (name) => {
    const [state] = await liveSections([{ name, folder: path.join(folder, 'mine') }])
    const text = renderHtml(renderBlocks(state.blocks))
    expect(text).not.toMatch(/<(script|img|iframe)|\u202e/)
  })
})

test('watch refuses what is no run', async () => {
  mkdirSync(path.join(folder, 'empty'))
  const { document, code } = await runHere('watch', path.join(folder, 'empty'))
  expect(document.error?.code).toBe('REPORT_NOTHING_FOUND')
  expect(code).toBe(3)
  const mine = path.join(folder, 'mine')
  expect((await runHere('watch', mine, mine)).document.error?.code).toBe('INVALID_ARGUMENT')
})
