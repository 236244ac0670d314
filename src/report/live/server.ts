/**
 * The server of a live page, for this machine alone. Its address holds a secret, so that other users of the machine cannot find the page;
 * a page of another origin cannot read it, send to it, or come to it under another name.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { stat } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { signsFile, validationFile } from '../../train/file-names.ts'
import { html, renderHtml } from '../page/html.ts'
import { renderBlocks } from '../page/render.ts'
import { type LiveControls, liveDocument, livePolicy } from './document.ts'
import { type LiveSection, liveSections, type WatchedRun } from './live-run.ts'

/** Where a live page is, and what its readers may do. */
export interface LivePageOptions {
  /** Port of this machine. Default: one that is free. */
  readonly port?: number
  /** What readers may do to the run. Default: nobody can do anything to the run. */
  readonly controls?: LiveControls | null
  /** Milliseconds from one look at the files to the next. Default 1000. */
  readonly interval?: number
}

/** A page that is served. */
export interface LivePage {
  /** Address with the secret that is needed to read it. */
  readonly address: string
  /** Tells the pages that the run has ended, and ends the server. */
  close(): Promise<void>
}

const host = '127.0.0.1'
const mostReaders = 32

/**
 * Serves a page about runs until it is closed. The files are looked at only while somebody reads the page.
 *
 * @throws VideoMaeError `PORT_TAKEN`
 */
export async function openLivePage(runs: readonly WatchedRun[], options: LivePageOptions = {}): Promise<LivePage> {
  const { port = 0, controls = null, interval = 1000 } = options
  const page = new Server(runs, controls, interval)
  const server = http.createServer((request, response) => page.answer(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? taken(port, error) : error),
    )
    server.listen(port, host, resolve)
  })
  // A page that nobody closes must not keep a finished training from ending.
  server.unref()
  page.port = (server.address() as AddressInfo).port
  return {
    address: `http://${host}:${page.port}/${page.secret}/`,
    async close() {
      await page.end()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function taken(port: number, cause: Error): VideoMaeError {
  return new VideoMaeError(`Expected the port ${port} of this machine to be free, but another program uses it.`, {
    code: 'PORT_TAKEN',
    exit: 'environment',
    hint: 'Give another number, or leave --port out to use a free port.',
    cause,
  })
}

class Server {
  readonly secret = randomBytes(16).toString('hex')
  port = 0
  private readonly readers = new Set<ServerResponse>()
  /** What the readers have seen, by the id of the section. */
  private readonly shown = new Map<string, string>()
  private timer: NodeJS.Timeout | null = null
  private looking: Promise<void> | null = null
  private seen = ''
  private readonly runs: readonly WatchedRun[]
  private readonly controls: LiveControls | null
  private readonly interval: number

  constructor(runs: readonly WatchedRun[], controls: LiveControls | null, interval: number) {
    this.runs = runs
    this.controls = controls
    this.interval = interval
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.refusal(request)
    const [, , page, ...more] = (request.url ?? '').split('/')
    const asked = `${request.method} ${more.length > 0 ? null : page}`
    const { controls } = this
    if (refusal !== null) refuse(response, refusal)
    else if (asked === 'GET ') this.document(response)
    else if (asked === 'GET events') this.read(request, response)
    else if (asked === 'POST stop' && controls !== null) {
      controls.stop()
      said(response, 'The run saves a checkpoint and stops.')
    } else if (asked === 'POST save' && controls?.save) {
      controls.save()
      said(response, 'A checkpoint is saved after the step in progress.')
    } else refuse(response, 404)
  }

  /** The status with which a request is refused; null for one from the page itself or from the user's address bar. */
  private refusal({ headers, url = '', method }: IncomingMessage): number | null {
    const names = [`${host}:${this.port}`, `localhost:${this.port}`]
    if (!names.includes(headers.host ?? '')) return 403 // another name leads here: a page that rebinds its own
    const own = headers.origin === `http://${headers.host}`
    if (headers.origin !== undefined && !own) return 403
    if (method !== 'GET' && !own) return 403 // browsers name the origin of everything that is sent
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return 403
    const given = Buffer.from(url.split('/')[1] ?? '')
    const secret = Buffer.from(this.secret)
    return given.length === secret.length && timingSafeEqual(given, secret) ? null : 404
  }

  private document(response: ServerResponse): void {
    const nonce = randomBytes(16).toString('base64')
    const names = this.runs.map(({ name }) => name)
    const title = names.length === 1 ? `Training run ${names[0]}` : `${names.length} training runs`
    response.writeHead(200, {
      ...headersOf('text/html; charset=utf-8'),
      'content-security-policy': livePolicy(nonce),
    })
    response.end(liveDocument(title, nonce, this.controls))
  }

  private read(request: IncomingMessage, response: ServerResponse): void {
    if (this.readers.size >= mostReaders) {
      refuse(response, 503)
      return
    }
    response.writeHead(200, headersOf('text/event-stream'))
    response.write('retry: 2000\n\n')
    this.readers.add(response)
    request.on('close', () => {
      this.readers.delete(response)
      if (this.readers.size === 0) this.rest()
    })
    for (const [id, text] of this.shown) send([response], 'section', { id, html: text })
    if (this.shown.size > 0) send([response], 'order', [...this.shown.keys()])
    this.timer ??= setInterval(() => this.look(), this.interval).unref()
    this.look()
  }

  private rest(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  /** One look at a time: a slow disk must not pile them up. */
  private look(): void {
    this.looking ??= this.update()
      .catch((error: Error) => send(this.readers, 'problem', `The run cannot be read: ${error.message}`))
      .finally(() => {
        this.looking = null
      })
  }

  private async update(): Promise<void> {
    const state = await stateOf(this.runs)
    if (state === this.seen) return
    const sections = await liveSections(this.runs)
    this.seen = state
    const before = [...this.shown.keys()].join(' ')
    const texts = new Map(sections.map((section) => [section.id, textOf(section)]))
    for (const id of [...this.shown.keys()]) if (!texts.has(id)) this.shown.delete(id)
    for (const [id, text] of texts) {
      if (this.shown.get(id) === text) continue
      send(this.readers, 'section', { id, html: text })
    }
    this.shown.clear()
    for (const [id, text] of texts) this.shown.set(id, text)
    if ([...texts.keys()].join(' ') !== before) send(this.readers, 'order', [...texts.keys()])
  }

  /** What was written last is shown before the pages are told that nothing follows. */
  async end(): Promise<void> {
    this.rest()
    if (this.readers.size > 0) {
      await this.looking
      this.look()
      await this.looking
    }
    send(this.readers, 'end', null)
    for (const reader of this.readers) reader.end()
  }
}

function textOf({ id, heading, blocks }: LiveSection): string {
  return renderHtml(html`<h2 id="heading-${id}">${heading}</h2>${renderBlocks(blocks)}`)
}

function send(readers: Iterable<ServerResponse>, event: string, data: unknown): void {
  // JSON has no line end in it, which would end the event.
  const message = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
  for (const reader of readers) reader.write(message)
}

const headersOf = (type: string): http.OutgoingHttpHeaders => ({
  'content-type': type,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
})

function said(response: ServerResponse, text: string): void {
  response.writeHead(200, headersOf('text/plain; charset=utf-8')).end(text)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, headersOf('text/plain; charset=utf-8')).end(`${status}\n`)
}

/** Files of a run from which the page is made. */
const files = ['config.json', 'metrics.jsonl', validationFile, 'bad-files.jsonl', signsFile, '.']

/** Sizes and times of the files: where they are the same, the page is, but for its clock, which shows minutes. */
async function stateOf(runs: readonly WatchedRun[]): Promise<string> {
  const states = runs.flatMap(({ folder }) =>
    files.map(async (file) => {
      const found = await stat(path.join(folder, file)).catch(() => null)
      return found === null ? '-' : `${found.size} ${found.mtimeMs}`
    }),
  )
  return [Math.floor(Date.now() / 60_000), ...(await Promise.all(states))].join(',')
}
